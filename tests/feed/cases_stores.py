# SPDX-License-Identifier: Apache-2.0
"""Whose streams they are: a store finds those of another, and leaves them alone."""
import time

from harness import STREAM, Redis, Shop, assert_all_told, assert_streams, wait_for, wait_until_told


def stay_foreign(shop):
    wait_for("word of it", lambda: shop.metric("feed_foreign") == 1)
    failures = shop.metric("feed_failures_total")
    wait_for("further tries", lambda: shop.metric("feed_failures_total") >= failures + 2)


def test_a_new_store_behind_the_streams_of_another_halts_and_says_so_once():
    with Redis() as redis:
        with Shop(redis.url()) as older:
            older.buy_many(24)
            assert_all_told(older, redis)
            before = redis.streams()
        with Shop(redis.url()) as newer:
            newer.buy_many(8)
            stay_foreign(newer)
            assert newer.metric("feed_connected") == 0
            wait_for("events that wait", lambda: newer.metric("events_feed_waiting") > 0)
            assert newer.metric("feed_events_sent_total") == newer.metric("feed_events_repeated_total") == 0
            log = newer.log.read_text()
            assert log.count('"feed_foreign_stream"') == 1 and "redis_stream" in log, log
            assert "feed_disconnected" not in log and "feed_connected" not in log, log
            assert redis.streams() == before
            # The operator takes the older ones away: nothing of the newer store's is missing.
            redis("DEL", f"{STREAM}:store", *(f"{STREAM}:{partition}" for partition in range(8)))
            assert_all_told(newer, redis)
            assert newer.metric("feed_foreign") == 0
        newer.check()


def test_a_new_store_with_streams_of_its_own_goes_on():
    with Redis() as redis:
        with Shop(redis.url()) as older:
            older.buy()
            wait_until_told(older)
        with Shop(redis.url(), "--redis-stream", "other") as newer:
            newer.buy()
            wait_until_told(newer)
            assert newer.metric("feed_foreign") == 0 and newer.metric("feed_events_sent_total") == 2
        names = redis("GET", f"{STREAM}:store"), redis("GET", "other:store")
        assert names[0] != names[1] and all(len(name) == 16 for name in names), names


def test_a_store_knows_its_own_streams_again():
    with Redis() as redis, Shop(redis.url()) as shop:
        shop.buy_many(8)
        wait_until_told(shop)
        shop.kill()
        shop.start()
        shop.buy_many(8)
        redis("DEL", f"{STREAM}:store")  # as where Redis drops keys for room
        redis.kill()
        redis.start()
        shop.buy_many(8)
        assert_streams(assert_all_told(shop, redis))
        assert redis("GET", f"{STREAM}:store") is not None and shop.metric("feed_foreign") == 0


def test_two_stores_do_not_mix_in_one_stream():
    with Redis() as redis, Shop(redis.url()) as first:
        first.buy()
        wait_until_told(first)
        with Shop(redis.url()) as second:
            stay_foreign(second)
            second.buy_many(8)
            first.buy_many(8)
            assert_all_told(first, redis)
            time.sleep(0.3)
            assert second.metric("feed_events_sent_total") == 0
