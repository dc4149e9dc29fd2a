/* SPDX-License-Identifier: Apache-2.0 */
/* Planted bugs, as one table: number, name, what is wrong. They exist only where STAMPEDE_MUTANTS
 * is defined, which is in the libraries that stampede-sim links, never in stampede: there MUTANT()
 * is the constant false. The simulator must catch each; one that it does not shows a blind spot. */
#ifndef STAMPEDE_MUTANTS_H
#define STAMPEDE_MUTANTS_H

#define MUTANTS(X)                                                                                 \
    X(1, ACK_BEFORE_SYNC, "answers leave before their batch is durable")                           \
    X(2, NO_TTL_GUARD, "a hold past its deadline can still be extended and converted")             \
    X(3, KEY_FILTER_SKIPPED, "a repeated key is not recognised before stock is asked for")         \
    X(4, GATE_NOT_REBUILT, "after a restart gates ignore the holds that still stand")              \
    X(5, CLAIM_LEAKED, "a request dropped by a full mailbox keeps its claim")                      \
    X(6, CLAIM_OFF_BY_ONE, "a gate lets one unit more be claimed than there is")                   \
    X(7, EXPIRY_TWICE, "a lapsed hold gives its units back twice")                                 \
    X(8, PARTIAL_HOLD_VISIBLE, "a reservation is answered before all its partitions prepared")     \
    /* ---- shards, batches, commits ---- */                                                       \
    X(9, LOST_WAKE_UP, "a shard that falls asleep does not look once more")                        \
    X(10, COMMITTER_SLEEPS_ON, "the committer sleeps on while a batch waits for it")               \
    X(11, ANSWERS_OUT_OF_ORDER, "of two batches that come back the newer is answered first")       \
    X(12, READ_BEFORE_DURABLE, "what is read leaves before what it reflects is durable")           \
    X(13, LATCH_NOT_SET, "after a commit of unknown outcome the engine goes on")                   \
    X(14, ANSWER_AFTER_LATCH, "an answer that was on its way when the latch fell is delivered")    \
    X(15, FAILED_CALLED_REFUSED, "a failed commit's requests are answered as refused")             \
    X(16, COMPLETION_REFUSED, "a full mailbox refuses answers too")                                \
    X(17, BATCH_TAKEN_BACK, "a shard takes its batch back while it is being written")              \
    X(18, TIMER_LOST, "a timer that is set again is lost")                                         \
    /* ---- stored and found again ---- */                                                         \
    X(19, WATERMARK_IGNORED, "a store that is behind its watermark is served")                     \
    X(20, CHECKSUM_NOT_VERIFIED, "a record's checksum is not looked at")                           \
    X(21, RECOVERY_STOPS_EARLY, "the last record of a partition is not loaded")                    \
    X(22, FILTER_NOT_RESTORED, "after a restart the key filter does not know the kept keys")       \
    X(23, KEY_NOT_RESTORED, "after a restart keys of ended holds are new again")                   \
    X(24, EXTEND_KEY_NOT_RESTORED, "after a restart an extension's key is new again")              \
    X(25, ADJUST_KEY_NOT_RESTORED, "after a restart an adjustment's key is new again")             \
    X(26, LIMIT_NOT_RESTORED, "after a restart what was bought does not count for limits")         \
    X(27, NUMBER_USED_AGAIN, "after a restart a forgotten hold's number is given again")           \
    X(28, TTL_STARTS_ANEW, "after a restart each hold has its whole TTL again")                    \
    X(29, EXPIRY_NOT_RECORDED, "a lapse is not written to the journal")                            \
    X(30, COUNTER_STALE, "a SKU's second counter in a batch is not written")                       \
    /* ---- keys ---- */                                                                           \
    X(31, FILTER_DROPPED_EARLY, "the key filter forgets keys of holds that are still kept")        \
    X(32, BODY_NOT_COMPARED, "a key with another body gets the first one's answer")                \
    X(33, WRITE_OFF_KEY_NOT_KEPT, "a write-off's key is not kept")                                 \
    /* ---- holds ---- */                                                                          \
    X(34, NO_FENCE_CHECK, "a hold is found by its number alone, whenever it was made")             \
    X(35, DEADLINE_INCLUSIVE, "at its deadline a hold still lives")                                \
    X(36, EXTENSION_WITHOUT_CAP, "extensions go beyond the cap")                                   \
    X(37, RELEASED_IS_CONVERTED, "a released hold can be converted")                               \
    X(38, RELEASE_COUNTED_TWICE, "a repeated release gives the units back again")                  \
    X(39, LINES_NOT_SUMMED, "two lines of one SKU are not summed")                                 \
    /* ---- limits and claims ---- */                                                              \
    X(40, LIMIT_STALE, "a changed limit counts only after a restart")                              \
    X(41, LIMIT_NOT_RETURNED, "a lapsed hold's units still count for its customer's limit")        \
    X(42, CLAIM_KEPT_AT_LIMIT, "a reservation refused for its limit keeps its claim")              \
    /* ---- several partitions ---- */                                                             \
    X(43, PREPARED_NOT_RECORDED, "prepared lines are not written to the journal")                  \
    X(44, PREPARED_FORGOTTEN, "after a restart nobody asks what became of prepared lines")         \
    X(45, PREPARED_LAPSES, "prepared lines lapse by themselves")                                   \
    X(46, ABORT_KEEPS_UNITS, "an aborted reservation's lines stay reserved")                       \
    X(47, ACKNOWLEDGED_TWICE, "a repeated acknowledgement gives the claim back again")             \
    /* ---- those that a reader planted and the simulator missed at first ---- */                  \
    X(48, DRAIN_TAKES_HOLDS, "a draining engine takes reservations on")                            \
    X(49, FULL_TAKES_HOLDS, "with a full disk a reservation that may be a repeat is new")          \
    X(50, FULL_TAKES_PRODUCTS, "with a full disk products are taken on")                           \
    X(51, OLDER_EXTEND_KEY_LOST, "a second extension's key drives out the first one's")            \
    X(52, EXTEND_KEY_ENDS, "an extension's key is not repeated once the hold has ended")           \
    X(53, ENDED_KEPT, "what had ended before a restart is never forgotten")                        \
    X(54, LINES_KEPT, "another partition's ended lines are never forgotten")                       \
    X(55, SALE_WITHOUT_HOLD, "a sale's ledger entry names no hold")                                \
    X(56, KEY_IN_OLD_FILTER, "a key that an older filter has by chance is not set anew")           \
    X(57, DRY_RUN_SHOWS_PRICE, "a product put for trial shows its price")                          \
    X(58, NAME_GIVEN_TWICE, "a SKU that is being stored is given to another product")              \
    X(59, READ_AFTER_LATCH, "stored records are read after the latch fell")                        \
    X(60, KEY_WITHOUT_PRODUCT, "one key counts for all products of a partition")                   \
    X(61, COMMIT_END_WAKES_NOBODY, "the committer is not woken when its commit ends")              \
    X(62, FULL_BATCH_WAKES_NOBODY, "who waits for a full batch to be taken is not woken")          \
    X(63, WATERMARK_NOT_ADVANCED, "the watermark stays where it was")                              \
    X(64, END_FORGOTTEN_UNHEARD, "after a restart an end is forgotten before all heard of it")     \
    X(65, LIMIT_LINES_KEPT, "lines before the one that a limit refuses still count")               \
    X(66, AGE_FROM_BEFORE_SLEEP, "a request's age counts from before its shard slept")             \
    /* ---- those of a second reader ---- */                                                       \
    X(67, TIMER_HALVED, "a timer counts only the lower 32 bits of its deadline")                   \
    X(68, LAPSES_LAST, "a turn serves messages before it lets holds lapse")                        \
    X(69, NAME_KEPT, "a product that a full mailbox refuses keeps its names from others")          \
    X(70, LIMIT_BEFORE_ROOM, "lines that find no room still count for their customer's limit")     \
    /* ---- accounts ---- */                                                                       \
    X(71, EMAIL_TWICE, "an address that is taken is given to a second account")                    \
    X(72, ALIAS_FORGOTTEN, "that a guest became a customer is not recorded")                       \
    X(73, MARK_NOT_MOVED, "what other shards have cached of a session stays good")                 \
    X(74, RESET_KEEPS_SESSIONS, "a new password leaves the other sessions open")                   \
    X(75, SESSION_NEVER_EXPIRES, "a session past its time is still good")                          \
    X(76, OLD_PASSWORD_OPENS, "a password that was replaced meanwhile opens a session")            \
    X(77, LOGOUT_KEEPS_SESSION, "a token is accepted after its logout")                            \
    X(78, TOKEN_USED_TWICE, "a one-use token can be used again")                                   \
    X(79, CODE_USED_TWICE, "a second factor's code can be used again")                             \
    X(80, ERASURE_KEEPS_KEY, "an erased account's key stays in the store")                         \
    X(81, MARKS_NOT_RESTORED, "after a restart guests who became customers are guests again")      \
    X(82, EVICTED_UNDURABLE, "an account leaves memory before it is on disk")                      \
    X(83, ADOPT_KEEPS_LIMITS, "what a guest had does not count for the customer's limit")          \
    X(84, ADOPTED_IN_FLIGHT, "a guest's request on its way at login makes a hold that is lost")    \
    X(85, ALIAS_KEYS_IGNORED, "a key that the customer used as a guest has a second effect")       \
    X(86, ACCOUNT_NUMBER_REUSED, "after a restart an account's number is given again")             \
    X(87, CACHE_IGNORES_MARK, "a shard goes by what it remembers of a session, whatever changed")  \
    X(88, FILL_TAKES_CURRENT_MARK, "an answer about a session that is outdated is remembered")     \
    X(89, CACHE_IGNORES_EXPIRY, "what a shard remembers of a session has no end")                  \
    /* ---- mails ---- */                                                                          \
    X(90, MAIL_BEFORE_DURABLE, "a mail leaves before what causes it is durable")                   \
    X(91, MAIL_FORGOTTEN, "after a restart mails that wait are forgotten")                         \
    X(92, DELIVERY_NOT_RECORDED, "a delivered mail is not recorded, and goes out again for ever")  \
    X(93, DEAD_LETTER_LOST, "a mail that is given up is dropped")                                  \
    X(94, MAIL_AFTER_ERASURE, "an erased account's mails go out")                                  \
    X(95, MAIL_WITHOUT_ROOM_LOST, "mails that find no room in memory are never looked for")        \
    X(96, MAIL_TWICE_UNDER_WAY, "a mail that is replayed while it goes out goes out twice")        \
    /* ---- the audit log ---- */                                                                  \
    X(97, ADJUSTMENT_NOT_AUDITED, "an adjustment of stock leaves no entry in the audit log")       \
    X(98, AUDIT_BEGINS_ANEW, "after a restart the audit log's chain begins anew")                  \
    /* ---- accounts, those of a reader ---- */                                                    \
    X(100, OTHER_KEYS_IGNORED, "of keys that may be known the owner looks for one only")           \
    X(101, REWRAP_AFTER_ERASURE, "a data key that is wrapped anew survives its erasure")           \
    X(102, ADOPT_SKIPS_SHARD, "a shard says that it has adopted, and has not")                     \
    X(103, PARTICIPANT_NOT_ADOPTED, "after a restart another partition's lines are the guest's")   \
    X(104, ADOPTION_NOT_RECORDED, "whose a hold became is not written to the journal")             \
    X(105, RELEASED_BY_ANYBODY, "an address is released by an account that does not have it")      \
    X(106, ROLE_KEEPS_CREDENTIALS, "a login that was verified before a change of role succeeds")   \
    X(107, TOKEN_NEVER_EXPIRES, "a one-use token past its time is still good")                     \
    X(108, READ_FAILED_IS_EMPTY, "an account that can't be read is taken for one that is not")     \
    X(109, RECOVERY_CODE_KEPT, "a recovery code can be used again")                                \
    X(110, CLOSE_ALL_CLOSES_OWN, "ending all other sessions ends the asker's too")                 \
    X(111, PROOF_NOT_COMPARED, "what needs the password is done for one that was replaced")        \
    /* ---- retention ---- */                                                                      \
    X(116, RETENTION_FROM_START, "a process that is started anew each day never forgets")          \
    X(117, GUEST_FORGOTTEN_EARLY, "a guest who became a customer is forgotten with good tokens")   \
    X(118, PENDING_LAPSES_EARLY, "an account lapses before anybody could verify it")               \
    /* ---- carts ---- */                                                                          \
    X(120, CART_MERGED_TWICE, "a merge that is repeated adds the guest's lines again")             \
    X(121, CART_MERGE_FORGOTTEN, "after a restart a merge that is repeated is done again")         \
    X(122, CART_CLEARED_TWICE, "an order that clears its cart again takes out what came since")    \
    X(123, CART_REMOVAL_NOT_RECORDED, "after a restart a line that was taken out is there again")  \
    X(124, CART_ADOPTED_IN_FLIGHT, "what a guest adds while it logs in is acknowledged and lost")  \
    X(125, CART_MERGE_KEEPS_LARGER, "of a SKU in both carts the larger quantity is kept")          \
    X(126, CART_LIVE_EVICTED, "where there is no room the oldest cart makes way, expired or not")  \
    /* ---- coupons ---- */                                                                        \
    X(127, COUPON_OVER_CAP, "one use more than a coupon has is held")                              \
    X(128, COUPON_HELD_TWICE, "an order that asks for its use again takes a second one")           \
    X(129, COUPON_NOT_RELEASED, "a use that is given back stays taken")                            \
    X(130, COUPON_COMMITTED_TWICE, "a commit that is repeated counts twice")                       \
    X(131, COUPON_USES_FORGOTTEN, "after a restart the uses that are held are forgotten")          \
    X(132, COUPON_COUNT_FORGOTTEN, "after a restart the uses that were committed are forgotten")   \
    X(133, COUPON_GUEST_NOT_COUNTED, "what a customer used as a guest does not count")             \
    /* ---- orders ---- */                                                                         \
    X(134, HOLD_IN_TWO_ORDERS, "a hold that belongs to an order is given to another")              \
    X(135, PIN_SKIPPED, "a payment is captured before its hold is pinned")                         \
    X(136, VOID_SKIPPED, "an order ends, and what was authorised for it stays so")                 \
    X(137, AMOUNT_UNCHECKED, "an order is confirmed whatever amount was captured")                 \
    X(138, UNKNOWN_IS_CAPTURED, "a capture without an answer is taken for done")                   \
    X(139, LATE_MONEY_KEPT, "what is captured for an order that came to nothing is kept")          \
    X(140, ORDER_KEEPS_COUPON, "an order that came to nothing keeps its use of the coupon")        \
    X(141, EVENT_UNCHECKED, "a gateway's event counts, whatever amount and currency it names")     \
    X(142, EVENT_TWICE, "a gateway's event has its effect each time that it comes")                \
    X(143, REFUND_TWICE, "a refund that is asked for again goes out again")                        \
    X(144, PINNED_LAPSES, "a pinned hold lapses")                                                  \
    X(145, STEP_BEFORE_DURABLE, "a gateway is asked before the record that says so is durable")    \
    X(146, STEP_FORGOTTEN, "after a restart an order's step is not taken up again")                \
    /* ---- events out ---- */                                                                     \
    X(150, EVENT_BEFORE_DURABLE, "events are looked for before they are durable")                  \
    X(151, CURSOR_AHEAD, "what a consumer was offered counts as done")                             \
    X(152, EVENT_SKIPPED, "after a restart the first event that waits is passed over")             \
    X(153, EVENT_ERASED_EARLY, "retention erases events that a consumer has not passed")           \
    /* ---- webhooks ---- */                                                                       \
    X(154, DELIVERY_BEFORE_DURABLE, "a webhook leaves before its record is durable")               \
    X(155, DELIVERY_FORGOTTEN, "after a restart webhooks that are pending are forgotten")          \
    X(156, DELIVERY_TO_ALL, "an endpoint is sent events that it did not ask for")                  \
    X(157, DELIVERY_DROPPED, "where too many webhooks wait the oldest goes without a trace")       \
    X(158, ORDER_MAIL_TWICE, "an order that is shipped again is told of again")                    \
    X(159, ORDER_MAIL_UNPAID, "an order that nobody paid for is told of when it is cancelled")     \
    X(160, ORDER_MAIL_FORGOTTEN, "after a restart the mails of orders that wait are forgotten")    \
    /* ---- settings ---- */                                                                       \
    X(161, SETTINGS_NOT_PUBLISHED, "shards go on with the settings that they have")                \
    X(162, SETTINGS_PUBLISHED_EARLY, "settings are seen before they are durable")                  \
    X(163, DEFAULT_METHOD_LOST, "the shipping method of a fresh store is not written")             \
    /* ---- storms ---- */                                                                         \
    X(99, REFUND_NOT_LOOKED_FOR, "a refund that was done without a word is asked for, for ever")   \
    X(112, HOLD_NOT_RELEASED, "an order that comes to nothing keeps its hold")                     \
    X(113, PIN_NOT_RECORDED, "a pin is not written to the journal")                                \
    X(114, CAPTURE_WITHOUT_PIN_REPLY, "a refused pin is taken for one that holds")                 \
    X(115, RELEASED_IN_ORDER, "a customer releases the hold of an open order")                     \
    X(119, CONVERT_SKIPPED, "an order is confirmed, and its units are only held")                  \
    X(147, COMMIT_SKIPPED, "a confirmed order's use of a coupon is not committed")                 \
    X(148, VOID_OF_CAPTURED, "what was captured before it could be voided is taken for voided")    \
    X(149, CANCEL_KEEPS_MONEY, "a paid order that is cancelled keeps the money")                   \
    X(173, EVENT_BEFORE_STORE, "a gateway's event is acknowledged before it is durable")           \
    X(174, INBOX_NOT_RECORDED, "a gateway's event is not entered in the inbox")                    \
    X(175, CHECKOUT_NOT_RECORDED, "after a restart a checkout's key is new again")                 \
    X(176, ORDER_NUMBER_REUSED, "after a restart an order's number is given again")                \
    X(177, RESTOCKED_TWICE, "a restock that is repeated puts the units back again")                \
    X(178, REFUND_UNDER_NEW_KEY, "a refund is asked for under another key each time")              \
    X(179, ORDER_NEVER_EXPIRES, "an order that nobody pays waits for ever")                        \
    X(180, UNDO_KEEPS_COUPON, "a checkout that the gateway refuses keeps its use of the coupon")   \
    X(169, CART_ABANDONED_TWICE, "a cart that was counted as abandoned is not marked as such")     \
    X(170, WATCH_MISSES_EXPIRY, "who waits for an order is not told that it expired")              \
    X(171, LEDGER_SHORT, "a receipt's ledger entry says one unit less than came")                  \
    X(172, AUDIT_BLIND, "the online audit finds everything right")                                 \
    X(164, ERASURE_KEEPS_ORDERS, "an erased account's orders keep their persons")                  \
    X(165, LIVE_ORDER_NOT_FORGOTTEN, "an order that lives at an erasure keeps its person")         \
    X(166, CHECKOUT_FORGOTTEN_EARLY, "a checkout's key is forgotten while it may be repeated")     \
    X(167, ORDER_KEYS_NOT_WRAPPED, "a rotation of the vault's key skips orders' persons")          \
    X(168, RESTOCK_KEY_FORGOTTEN, "a restocking that is repeated puts the units back again")       \
    X(182, REFUSED_ASK_TIMED, "an order that met a full mailbox comes again with time only")       \
    X(183, PAID_BODY_FORGOTTEN, "with a checkout's key goes what was ordered, though it was paid") \
    X(184, ORDER_FORGETS_GUESTS, "what a customer used of a coupon as a guest does not count")     \
    /* ---- refunded elsewhere ---- */                                                             \
    X(188, ELSEWHERE_NOT_BOOKED, "an owed refund is asked for, for ever, where a part went back")  \
    X(189, ELSEWHERE_NOT_TOLD, "of what was refunded elsewhere there is no event")                 \
    X(190, ACKNOWLEDGED_IN_MEMORY, "what staff have acknowledged stands there after a restart")    \
    X(185, SOLD_OUT_WHILE_HELD, "a SKU is told as sold out while some units are only held")        \
    X(186, SOLD_OUT_UNTOLD, "nobody is told that a SKU is sold out")                               \
    X(187, EVENT_REPLAYED_TWICE, "a gateway's event that had its effect has it again for staff")   \
    /* ---- products that are edited ---- */                                                       \
    X(191, WITHDRAWN_RESERVED, "what was archived meanwhile is reserved by who asked before")      \
    X(192, LEFT_OUT_STAYS, "a variant that a PUT leaves out is sold on by its partition")          \
    X(193, ARCHIVED_SKU_NOT_RECORDED, "after a restart a left out variant is for sale again")      \
    X(194, REVIVAL_NOT_RECORDED, "after a restart a variant that came back is gone again")         \
    X(195, PRECONDITION_IGNORED, "an edit of an older version replaces a newer one")               \
    X(196, VERSION_REPEATED, "two versions of one moment cannot be told apart")                    \
    X(197, STATUS_NOT_SHOWN, "who sells is not told that a product is archived")                   \
    X(198, STATUS_NOT_RESTORED, "after a restart an archived product is for sale again")           \
    X(199, UNITS_SOLD_DRIFT, "units that came back count as sold still")                           \
    /* ---- finding ---- */                                                                        \
    X(205, GENERATION_STANDS, "a change of a product leaves what was kept of the catalogue good")  \
    X(206, PRICE_RANGE_STANDS, "a product is found at the prices that it had before")              \
    X(207, PRICE_RANGE_NOT_RESTORED, "after a restart no product is found by its price")

enum mutant {
    MUTANT_NONE,
#define X(number, name, text) MUTANT_##name = number,
    MUTANTS(X)
#undef X
};

#ifdef STAMPEDE_MUTANTS
extern enum mutant mutant_active; /* defined by the simulator */
#define MUTANT(name) (mutant_active == MUTANT_##name)
#else
#define MUTANT(name) 0
#endif

#endif
