/* SPDX-License-Identifier: Apache-2.0 */
/* SOMETIMES: situations that a set of runs must have met. A run in which no hold ever lapsed tests
 * nothing about lapsing; a mark that no seed of a large run hit is a failure of the simulator. */
#ifndef STAMPEDE_SIM_MARKS_H
#define STAMPEDE_SIM_MARKS_H

#include <stdint.h>

#define MARKS(X)                                                                                   \
    X(HELD, "a hold of one line was granted")                                                      \
    X(HELD_LINES, "a hold over several partitions was granted")                                    \
    X(EXPIRED, "a hold lapsed")                                                                    \
    X(RELEASED, "a hold was released")                                                             \
    X(CONVERTED, "a hold was converted")                                                           \
    X(EXTENDED, "a hold was extended")                                                             \
    X(EXTEND_REPLAYED, "an extension's key was repeated")                                          \
    X(EXTEND_REPLAYED_ENDED, "an extension's key was repeated after the hold's end")               \
    X(CAP_REACHED, "an extension was refused at the cap")                                          \
    X(ENDED_REFUSED, "a change was refused because the hold had ended")                            \
    X(LATE_CONVERT, "a conversion came past the deadline and was refused")                         \
    X(REPLAY, "a repeated key got its first answer again")                                         \
    X(REPLAY_LOST, "a repeated key got the answer that had been lost")                             \
    X(REPLAY_SOLD_OUT, "a repeated key was answered when nothing was left")                        \
    X(REPLAY_RESTART, "a repeated key was answered after a restart")                               \
    X(KEY_IN_FLIGHT, "a key was in flight")                                                        \
    X(KEY_REUSED, "a key came with another body")                                                  \
    X(KEY_OTHER_PRODUCT, "a key came again for another product")                                   \
    X(KEY_FORGOTTEN, "a key was past its retention and had a new effect")                          \
    X(FILTER_FALSE_POSITIVE, "the key filter took a new key for a repeated one")                   \
    X(SOLD_OUT, "a gate was empty, and nothing could come back")                                   \
    X(SOLD_OUT_HELD, "a gate was empty while units were only held")                                \
    X(INSUFFICIENT, "one of several lines had too little")                                         \
    X(LIMIT, "a customer's limit refused")                                                         \
    X(LIMIT_LINES, "a customer's limit refused in another partition than the owner's")             \
    X(INTENT_ABORTED, "an intent was aborted after other partitions were asked")                   \
    X(BORN_DEAD, "a reservation over several partitions took longer than its TTL")                 \
    X(UNKNOWN_SKU, "an unknown SKU was refused")                                                   \
    X(FOREIGN_HOLD, "a stranger asked for a hold")                                                 \
    X(SUBMIT_OVERLOADED, "a full mailbox refused")                                                 \
    X(REPLY_OVERLOADED, "a partition refused for want of room or time")                            \
    X(REQUEST_EXPIRED, "a request was dropped undone past its deadline")                           \
    X(CLAIM_RETURNED, "a claim was given back")                                                    \
    X(SAGA_DROPPED, "a full mailbox dropped a message between partitions")                         \
    X(ADJUST_UP, "stock was received")                                                             \
    X(ADJUST_DOWN, "stock was written off")                                                        \
    X(ADJUST_REPLAYED, "an adjustment's key was repeated")                                         \
    X(ADJUST_CONFLICT, "stock was not there to be written off")                                    \
    X(PRODUCT_LATE, "a product was created during the sale")                                       \
    X(DRY_RUN, "a product was put for trial only")                                                 \
    X(PRODUCT_EXISTS, "a product that exists was not created again")                               \
    X(PRODUCT_CHANGED, "a product was changed during the sale")                                    \
    X(PRODUCT_WITHDRAWN, "a product was archived, or made a draft, during the sale")               \
    X(PRODUCT_BACK, "a product that was not sold is sold again")                                   \
    X(VARIANT_LEFT_OUT, "a variant was left out of its product")                                   \
    X(VARIANT_BACK, "a variant that had been left out came back")                                  \
    X(WITHDRAWN_REFUSED, "what is not sold any more was not reserved")                             \
    X(WITHDRAWN_LATE, "what was not sold any more when its partition was asked was refused there") \
    X(REPLAY_WITHDRAWN, "a repeated key found its hold of what is not sold any more")              \
    X(EDIT_REFUSED, "an edit of an older version was refused")                                     \
    X(EDIT_OVERTAKEN, "of two edits of one version at once one was refused")                       \
    X(SKU_TAKEN, "a SKU of another product was refused")                                           \
    X(NAME_PASSED_ON, "a SKU that one product was refused for want of room was given to another")  \
    X(LISTED, "a customer's holds were listed")                                                    \
    X(LEDGER_READ, "stored records were read from a shard")                                        \
    X(STORAGE_FULL, "a hold was refused because storage is full")                                  \
    X(DRAINED, "the engine drained")                                                               \
    X(DRAIN_REFUSED, "a draining engine refused")                                                  \
    X(SLEPT, "a shard slept and was woken")                                                        \
    X(STALLED, "a shard was not scheduled for a while")                                            \
    X(CRASH, "the process died")                                                                   \
    X(CRASH_PENDING_LOST, "the process died and the commit under way was lost")                    \
    X(CRASH_PENDING_KEPT, "the process died and the commit under way was durable")                 \
    X(CRASH_INTENT, "the process died with a reservation over several partitions under way")       \
    X(CRASH_AGAIN, "the process died again before it had settled")                                 \
    X(REBOOT, "the machine restarted, and its boot clock with it")                                 \
    X(RESHARDED, "a store was reopened with another number of shards")                             \
    X(RECOVERED_HOLDS, "live holds stood after a restart")                                         \
    X(COMMIT_FAILED_LOST, "a failed commit was not durable")                                       \
    X(COMMIT_FAILED_DURABLE, "a failed commit was durable")                                        \
    X(COMMIT_UNKNOWN_END, "a commit's end stayed unknown")                                         \
    X(OUTCOME_UNKNOWN_SEEN, "a client was told that the outcome is unknown")                       \
    X(WATERMARK_REFUSED, "a store behind its watermark was refused")                               \
    X(LOST_SUFFIX, "a store without its last acknowledged commits was refused")                    \
    X(LOST_ALL, "a store that had been emptied was refused")                                       \
    X(LOST_IN_LAG, "a store that lost no more than the watermark's lag was opened")                \
    X(ROT_BIT, "a flipped bit was refused")                                                        \
    X(ROT_BYTE, "a changed byte was refused")                                                      \
    X(ROT_BLOCK, "a changed block was refused")                                                    \
    X(ROT_FILE, "a changed file was refused")                                                      \
    X(ROT_ACCOUNT, "a changed account or address, which no start reads, failed its reader")        \
    X(ROT_LEDGER, "a changed ledger, which no start reads, failed its reader")                     \
    X(CRASH_IN_RECOVERY, "the process died while it recovered")                                    \
    X(CRASH_AFTER_RECOVERY, "the process died when it had just recovered")                         \
    X(COMMIT_NO_SPACE, "a commit failed because the disk was full")                                \
    X(REOPENED_FULL, "the process started on a full disk")                                         \
    X(CHANGED_WHEN_FULL, "a hold was released, extended or converted on a full disk")              \
    X(DISK_SLOW, "a commit came while the disk was slow")                                          \
    X(READ_REFUSED, "a read was refused for want of room in the pool")                             \
    X(HELD_BACK, "messages between two shards were seen later than others")                        \
    X(SENT_TWICE, "a request was sent twice at once")                                              \
    X(DISCONNECTED, "an answer came for a client that had left")                                   \
    X(STALE_CLOCK, "a request was counted from a turn before the time at which it came")           \
    X(WALL_FORWARD, "the wall clock was set forward")                                              \
    X(WALL_BACK, "the wall clock was set back")                                                    \
    X(PAUSED, "far more time passed at once than requests may take, with some under way")          \
    X(MAIL_DELIVERED, "a mail was delivered")                                                      \
    X(MAIL_TWICE, "a mail was delivered again")                                                    \
    X(MAIL_GOODBYE, "the mail that told of an erasure was delivered")                              \
    X(MAIL_DEAD, "a mail was given up")                                                            \
    X(ORDER_MAIL_DELIVERED, "a mail of an order was delivered")                                    \
    X(ORDER_MAIL_TWICE, "a mail of an order was delivered again")                                  \
    X(ORDER_MAIL_DEAD, "a mail of an order was given up")                                          \
    X(SETTING_CHANGED, "a setting was made or changed")                                            \
    X(SETTING_REMOVED, "a setting was removed")                                                    \
    X(SETTING_KEPT, "the process died with a change of a setting under way that was durable")      \
    X(SETTING_UNDONE, "the process died with a change of a setting under way that was lost")       \
    X(ALL_FORGOTTEN, "everything that had ended was forgotten past its retention")                 \
    X(REGISTERED, "an account was registered")                                                     \
    X(EMAIL_TAKEN, "an address was refused that is another's")                                     \
    X(LOGGED_IN, "a session was opened")                                                           \
    X(LOGIN_STALE, "a session was not opened, as the password had been replaced meanwhile")        \
    X(GUEST_ENDED, "a guest became a customer")                                                    \
    X(GUEST_ANOTHERS, "a guest could not become a second customer")                                \
    X(GUEST_REFUSED, "a guest's token was refused, who had become a customer")                     \
    X(ADOPTED, "what a guest had is the customer's on every shard")                                \
    X(ENDED_IN_FLIGHT, "a guest became a customer while a reservation of its was on its way")      \
    X(ADOPTION_OVERLOADED, "a shard had no room to adopt")                                         \
    X(REPLAY_AS_CUSTOMER, "a key was repeated by the customer that its guest had become")          \
    X(SESSION_HIT, "a shard went by what it remembers of a session")                               \
    X(SESSION_OUTDATED, "what a shard remembers of a session was outdated")                        \
    X(ANSWER_OUTDATED, "an answer about a session was outdated when it came")                      \
    X(SESSION_REFUSED, "a session was refused by its account")                                     \
    X(SESSION_EXPIRED, "a session was refused past its time")                                      \
    X(TOKEN_USED, "a one-use token was used")                                                      \
    X(TOKEN_TWICE, "a one-use token was refused the second time")                                  \
    X(TOKEN_REFUSED, "a one-use token was refused that was late or replaced")                      \
    X(CODE_USED, "a second factor's code was taken")                                               \
    X(CODE_REFUSED, "a second factor's code was refused")                                          \
    X(RECOVERY_USED, "a recovery code was taken")                                                  \
    X(EMAIL_CHANGED, "an account's address was changed")                                           \
    X(ERASED, "an account was erased")                                                             \
    X(ACCOUNT_OVERLOADED, "a call on an account was refused for want of room, time or a read")     \
    X(ACCOUNTS_FOUND, "accounts were found again after the last restart")                          \
    X(GUESTS_FORGOTTEN, "guests who had become customers were forgotten past their time")          \
    X(ACCOUNTS_LAPSED, "accounts that nobody had verified were forgotten past their time")         \
    X(COUPON_HELD, "an order held a use of a coupon")                                              \
    X(COUPON_COMMITTED, "a use of a coupon was committed")                                         \
    X(COUPON_RELEASED, "a use of a coupon was given back")                                         \
    X(COUPON_ENDED_LATER, "a use of a coupon was ended by a repeat after a restart")               \
    X(COUPON_USED_UP, "an order was refused a coupon that was used up")                            \
    X(COUPON_CUSTOMER_LIMIT, "a customer had as many uses of a coupon as may be")                  \
    X(COUPON_CHANGED, "an order was refused a coupon that had changed since it was priced")        \
    X(COUPON_EXACTLY, "exactly as many uses of a coupon were committed as there were")             \
    X(CART_MERGED, "a guest's cart came to its customer's")                                        \
    X(CART_MERGED_AGAIN, "a merge that had been done was asked for again")                         \
    X(CART_ADD_TOO_LATE, "a guest added to a cart that was being taken over, and was refused")     \
    X(CART_CLEARED, "an order took out of a cart what it had ordered")                             \
    X(ORDER_CONFIRMED, "an order was confirmed")                                                   \
    X(ORDER_EXPIRED, "an order expired")                                                           \
    X(WATCH_TOLD, "who waited for an order was told that it changed")                              \
    X(WATCH_WAITS, "somebody still waited for an order in the end")                                \
    X(ORDER_CANCELLED, "an order was cancelled before it was paid")                                \
    X(ORDER_CANCELLED_PAID, "a paid order was cancelled")                                          \
    X(ORDER_FAILED, "an order's payment failed")                                                   \
    X(ORDER_DELIVERED, "an order was delivered")                                                   \
    X(ORDER_REFUNDED, "an order was refunded, in part or all of it")                               \
    X(CHECKOUT_REPLAYED, "a checkout's key was repeated")                                          \
    X(CHECKOUT_UNDONE, "a checkout was undone as the gateway would not create its payment")        \
    X(CHECKOUT_COUPON_REFUSED, "a checkout was refused a coupon that was used up")                 \
    X(GUESTS_USES_COUNTED,                                                                         \
      "a checkout was refused a coupon for what its customer used as a guest")                     \
    X(HOLD_IN_USE, "a hold of one order was refused to another")                                   \
    X(REFUND_REPLAYED, "a refund's key was repeated")                                              \
    X(PAYMENT_CAPTURED, "a payment was captured")                                                  \
    X(PAYMENT_VOIDED, "what was authorised was given back")                                        \
    X(REFUNDED_ELSEWHERE, "what was captured was refunded, and not by the shop")                   \
    X(ELSEWHERE_FOUND, "an owed refund found that a part of it had gone back")                     \
    X(ACKNOWLEDGED, "what needs attention was acknowledged")                                       \
    X(PAYMENT_REFUNDED, "what was captured was refunded")                                          \
    X(GATEWAY_REPEATED, "the gateway was asked again under a key")                                 \
    X(GATEWAY_SILENT, "the gateway did what it was asked, and did not say so")                     \
    X(GATEWAY_KEPT, "the gateway's answer to a key was lost for good")                             \
    X(GATEWAY_GHOST, "a call reached the gateway after its process had died")                      \
    X(EVENT_APPLIED, "a gateway's event moved an order")                                           \
    X(EVENT_AGAIN, "a gateway's event was told again")                                             \
    X(ORDER_MAIL_REPLAYED, "staff sent an order's mail again")                                     \
    X(EVENT_REPLAYED, "staff had a gateway's event taken in again")                                \
    X(EVENT_FALSE, "an event of another amount, currency or payment was told")                     \
    X(EXPIRY_RACE, "an order was paid in the moment in which it expired")                          \
    X(RACE_WON, "and was confirmed")                                                               \
    X(RACE_LOST, "and was not, and the money went back")                                           \
    X(EVENTS_TOLD, "events were told to a consumer")                                               \
    X(SOLD_OUT_TOLD, "a SKU was told as sold out")                                                 \
    X(SOLD_OUT_AGAIN, "a SKU was sold out again after it was restocked, and told so")              \
    X(EVENT_OUT_AGAIN, "an event was told again")                                                  \
    X(EVENTS_DONE_IN_PART, "a consumer was done with a part of a batch")                           \
    X(LISTENER_BUSY, "a consumer was busy")                                                        \
    X(LISTENER_AWAY, "a consumer came back after events were deleted that others had passed")      \
    X(CRASH_EVENTS_UNDER_WAY, "the process died with events at a consumer")                        \
    X(HOOK_TAKEN, "a webhook was taken")                                                           \
    X(HOOK_AGAIN, "a webhook was taken again")                                                     \
    X(HOOK_DEAD, "a webhook was given up")                                                         \
    X(HOOK_REPLAYED, "a webhook that was given up was sent again")                                 \
    X(HOOK_OVERFLOW, "so many webhooks waited that the oldest were given up")                      \
    X(CRASH_HOOKS, "the process died with webhooks under way")                                     \
    X(ORDER_FORGOTTEN, "an order forgot its person with an account that was erased")               \
    X(ORDER_KEPT_TO_SEND, "a paid order that is to be sent was told to forget, and waits")         \
    X(ORDER_SENT_FORGOTTEN, "an order that waited for that was sent, and forgot its person")       \
    X(SOLD_EXACTLY, "every unit of a SKU was sold in the end")

enum mark {
#define X(name, text) MARK_##name,
    MARKS(X)
#undef X
        MARK_COUNT
};

/* How often each was met. */
struct marks {
    uint64_t hits[MARK_COUNT];
};

const char *mark_text(enum mark mark);

/* Prints the table and returns how many were never hit. */
uint32_t marks_print(const struct marks *marks);

#endif
