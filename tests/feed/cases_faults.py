# SPDX-License-Identifier: Apache-2.0
"""Redis dies, is paused, forgets; the shop dies. No answer changes, and each event is there once and in order."""
import time

from harness import (Buyers, Redis, Shop, assert_all_told, assert_histories, assert_streams, merged, wait_for,
                     wait_until_told)


def test_redis_is_killed_and_comes_back_with_its_data():
    with Redis() as redis, Shop(redis.url()) as shop:
        with Buyers(shop) as buyers:
            for _ in range(3):
                buyers.wait_for_more()
                redis.kill()
                buyers.wait_for_more()
                redis.start()
                wait_for("connection", lambda: shop.metric("feed_connected") == 1)
                buyers.wait_for_more()
        assert_all_told(shop, redis)
        assert shop.metric("feed_connections_total") >= 4
    shop.check()


def test_redis_is_killed_and_comes_back_without_its_data():
    with Redis() as redis, Shop(redis.url()) as shop:
        with Buyers(shop) as buyers:
            buyers.wait_for_more()
        wait_until_told(shop)
        before = redis.streams()
        assert_streams(before)
        redis.kill()
        redis.lose_data()
        with Buyers(shop) as buyers:
            buyers.wait_for_more()
            redis.start()
            buyers.wait_for_more()
        streams = assert_all_told(shop, redis, before)
        assert sum(map(len, streams.values())) > sum(map(len, before.values()))
    shop.check()


def test_redis_is_flushed_in_mid_run():
    with Redis() as redis, Shop(redis.url()) as shop:
        with Buyers(shop) as buyers:
            buyers.wait_for_more()
            before = []
            for _ in range(5):
                # Nothing comes between the look and the flush.
                redis("CLIENT", "PAUSE", "600", "WRITE")
                before.append(redis.streams())
                redis("CLIENT", "UNPAUSE")
                redis("FLUSHALL")
                buyers.wait_for_more(5)
        wait_until_told(shop)
        # What came between the two is lost with Redis' data, and was acknowledged: of all others nothing is missing,
        # and nothing is there twice or out of order.
        after = redis.streams()
        for partition, rows in after.items():
            sequences = [sequence for sequence, _ in rows]
            assert sequences == list(range(sequences[0], sequences[0] + len(sequences))), (partition, sequences)
        merged(*before, after)
        lost = shop.metric("feed_events_sent_total") - sum(
            len(rows) for rows in merged(*before, after).values())
        assert 0 <= lost < 200, lost
        assert shop.metric("feed_batches_refused_total") == 0


def test_redis_is_paused_and_every_answer_comes_all_the_same():
    with Redis() as redis, Shop(redis.url()) as shop:
        with Buyers(shop) as buyers:
            buyers.wait_for_more()
            redis.pause()
            try:
                buyers.wait_for_more(60)  # each within SLOWEST_S
                wait_for("time-out", lambda: shop.metric("feed_timeouts_total") >= 1)
                buyers.wait_for_more()
                assert shop.metric("feed_connected") == 0
                assert shop.metric("events_feed_waiting") > 0
                assert shop.metric("events_feed_oldest_seconds") >= 3
            finally:
                redis.go_on()
        assert_all_told(shop, redis)
    shop.check()


def test_a_short_pause_costs_no_connection():
    with Redis() as redis, Shop(redis.url()) as shop:
        with Buyers(shop) as buyers:
            buyers.wait_for_more()
            redis.pause()
            time.sleep(1.5)
            redis.go_on()
            buyers.wait_for_more()
        assert_all_told(shop, redis)
        assert shop.metric("feed_connections_total") == 1


def test_the_shop_is_killed_in_mid_run():
    with Redis() as redis, Shop(redis.url()) as shop:
        with Buyers(shop, bear=True) as buyers:
            for _ in range(3):
                buyers.wait_for_more(15)
                shop.kill()
                shop.check()
                shop.start()
        streams = assert_all_told(shop, redis)
        assert sum(map(len, streams.values())) >= 2 * len(shop.orders) - 12
    shop.check()


def test_the_shop_and_redis_are_killed_in_mid_run():
    with Redis() as redis, Shop(redis.url()) as shop:
        with Buyers(shop, bear=True) as buyers:
            for _ in range(2):
                buyers.wait_for_more(15)
                redis.kill()
                buyers.wait_for_more(5)
                shop.kill()
                shop.start()
                redis.start()
        assert_all_told(shop, redis)
    shop.check()


def test_redis_comes_later_than_the_shop():
    with Redis() as redis:
        redis.kill()
        with Shop(redis.url()) as shop:
            shop.buy_many(12)
            wait_for("failures", lambda: shop.metric("feed_failures_total") >= 2)
            assert shop.log.read_text().count("feed_disconnected") == 1
            redis.start()
            assert_all_told(shop, redis)
            assert shop.log.read_text().count("feed_connected") == 1


def test_after_a_clean_stop_nothing_is_sent_again():
    with Redis() as redis, Shop(redis.url()) as shop:
        shop.buy_many(12)
        wait_for("events", lambda: shop.metric("feed_events_sent_total") == 24)
        shop.stop()
        shop.check()
        shop.start()
        shop.buy_many(4)
        assert_all_told(shop, redis)
        assert shop.metric("feed_events_repeated_total") == 0


def test_a_stop_while_redis_is_paused_ends_in_time():
    with Redis() as redis, Shop(redis.url(), "--drain-ms", "4000") as shop:
        shop.buy_many(8)
        wait_until_told(shop)
        redis.pause()
        try:
            shop.buy_many(8)
            started = time.monotonic()
            shop.stop(10)
            assert time.monotonic() - started < 6
        finally:
            redis.go_on()
        shop.check()
        shop.start()
        assert_all_told(shop, redis)


def test_events_from_before_the_feed_was_there_are_told():
    with Redis() as redis, Shop(redis.url()) as shop:
        flags, shop.flags = shop.flags, []
        shop.stop()
        shop.start()
        shop.buy_many(12)
        shop.stop()
        shop.flags = flags
        shop.start()
        streams = assert_all_told(shop, redis)
        assert len(assert_histories(shop, streams)) == 12
