# SPDX-License-Identifier: Apache-2.0
"""What is told, and how: entries, bodies, options, who may log in."""
import json

from harness import (ADDRESS, STREAM, Redis, RedisError, Shop, assert_all_told, assert_histories, assert_streams, scratch,
                     wait_for, wait_until_told)


def test_each_event_of_an_orders_life_is_told_once_and_in_order():
    with Redis() as redis, Shop(redis.url()) as shop:
        shipped, _ = shop.buy()
        shop.staff("POST", f"/v1/admin/orders/{shipped}/fulfil", {"tracking": {"carrier": "DHL", "number": "1"}})
        shop.staff("POST", f"/v1/admin/orders/{shipped}/deliver", {})
        refunded, _ = shop.buy()
        for key in ("first", "second"):
            shop.staff("POST", f"/v1/admin/orders/{refunded}/refund",
                       {"amount_minor": 100, "restock": False, "reason": "scratched"}, key=key)
        cancelled, token = shop.check_out()
        shop.call("POST", f"/v1/orders/{cancelled}/cancel", {}, token, 200)
        wait_until_told(shop)
        streams = redis.streams()
        assert_streams(streams)
        told = {}
        for rows in streams.values():
            for _, fields in rows:
                told.setdefault(fields["order"], []).append(fields)
        assert [fields["type"] for fields in told[shipped]] == [
            "order.created", "order.confirmed", "order.shipped", "order.delivered"]
        assert [fields["type"] for fields in told[cancelled]] == ["order.created", "order.cancelled"]
        assert [fields["type"] for fields in told[refunded]] == [
            "order.created", "order.confirmed", "order.refunded", "order.refunded"]
        for fields in told[refunded][2:]:
            assert json.loads(fields["data"])["refund"] == {"amount_minor": 100}
    shop.check()


def test_a_sku_that_is_sold_out_is_told_by_its_name():
    with Redis() as redis, Shop(redis.url()) as shop:
        shop.staff("POST", "/v1/admin/inventory/SHOE/adjust", {"set": 2, "reason": "test"})
        for _ in range(2):
            shop.buy()
        wait_until_told(shop)
        rows = [fields for stream in redis.streams().values() for _, fields in stream]
        told = [fields for fields in rows if fields["type"] == "inventory.sold_out"]
        assert [(fields["sku"], "order" in fields) for fields in told] == [("SHOE", False)], told
        body = json.loads(told[0]["data"])
        assert sorted(body) == ["data", "timestamp", "type"] and body["type"] == "inventory.sold_out"
        assert body["data"] == {"sku": "SHOE", "product_id": "shoe"}
        assert len(rows) == 5
    shop.check()


def test_a_body_shows_the_order_as_the_event_left_it_and_nothing_private():
    with Redis() as redis, Shop(redis.url()) as shop:
        order, _ = shop.buy()
        shop.staff("POST", f"/v1/admin/orders/{order}/fulfil", {"tracking": {"carrier": "DHL", "number": "1"}})
        wait_until_told(shop)
        rows = [fields for stream in redis.streams().values() for _, fields in stream]
        history = shop.history(order)
        for count, (fields, status) in enumerate(zip(rows, ["pending_payment", "confirmed", "shipped"]), 1):
            body = json.loads(fields["data"])
            data = body["data"]
            assert sorted(body) == ["data", "timestamp", "type"] and body["type"] == fields["type"]
            assert data["id"] == fields["order"] == order and data["status"] == status
            assert data["timeline"] == history["timeline"][:count]
            assert body["timestamp"] == data["timeline"][-1]["at"]
            assert data["items"] == history["items"] and data["totals"] == history["totals"]
            private = ["ann@shop.test", ADDRESS["name"], ADDRESS["line1"], "client_secret", "principal"]
            assert not [text for text in private if text in fields["data"]], fields["data"]
        assert json.loads(rows[0]["data"])["data"]["payment"]["captured_minor"] == 0


def test_streams_have_the_name_and_the_bound_that_they_were_given():
    with Redis() as redis, Shop(redis.url(), "--redis-stream", "shop", "--redis-stream-max", "100") as shop:
        _, token = shop.buy()
        for _ in range(120):  # of one guest: one partition
            shop.buy(token)
        wait_until_told(shop)
        names = [f"shop:{partition}" for partition in range(8) if redis("EXISTS", f"shop:{partition}")]
        assert len(names) == 1 and redis("EXISTS", f"{STREAM}:0") == 0
        length = redis("XLEN", names[0])
        assert 100 <= length < 242, length
        newest = redis("XREVRANGE", names[0], "+", "-", "COUNT", "1")[0][0]
        assert newest == "242-0", newest


def test_it_logs_in_by_a_password_in_the_url():
    with Redis(password="secret:of/the-tests") as redis, Shop(redis.url(":secret%3Aof%2Fthe-tests@")) as shop:
        shop.buy()
        assert_all_told(shop, redis)
        assert "of/the" not in shop.log.read_text()


def test_it_logs_in_as_a_user_who_may_do_no_more_than_it_does():
    file = scratch("password") / "password"
    file.write_text("secret\n")
    file.chmod(0o600)
    user = ["--user", "feeder", "on", ">secret", f"~{STREAM}:*", "+ping", "+set", "+get", "+multi", "+exec",
            "+xadd"]
    with Redis(*user) as redis:
        with Shop(redis.url("feeder@") + "/0", "--redis-password-file", file) as shop:
            shop.buy()
            assert_all_told(shop, redis)


def test_a_wrong_password_is_told_and_changes_no_answer():
    with Redis(password="secret") as redis, Shop(redis.url(":other@")) as shop:
        wait_for("failure", lambda: shop.metric("feed_failures_total") >= 2)
        shop.buy()
        assert shop.metric("feed_connected") == 0
        log = shop.log.read_text()
        assert log.count("feed_disconnected") == 1 and "WRONGPASS" in log and "other" not in log
        redis("CONFIG", "SET", "requirepass", "other")
        redis.password = "other"
        assert_all_told(shop, redis)


def test_another_database():
    with Redis() as redis, Shop(redis.url() + "/3") as shop:
        shop.buy()
        wait_until_told(shop)
        assert redis.streams() == {}
        assert redis("INFO", "keyspace").count("db3:keys=2") == 1  # the stream, and whose it is


def test_a_stream_that_is_something_else_holds_up_its_partition_only():
    with Redis() as redis, Shop(redis.url()) as shop:
        first, token = shop.buy()
        wait_until_told(shop)
        partition = next(iter(redis.streams()))
        redis("SET", f"{STREAM}:{partition}", "something else")
        mine = [shop.buy(token)[0] for _ in range(3)]
        shop.buy_many(12)
        wait_for("refusals", lambda: shop.metric("feed_batches_refused_total") >= 3)
        log = shop.log.read_text()
        assert log.count("feed_refused") == 1 and "WRONGTYPE" in log, log
        redis("DEL", f"{STREAM}:{partition}")
        wait_until_told(shop)
        streams = redis.streams()
        rows = streams[partition]
        assert [sequence for sequence, _ in rows] == list(range(3, 3 + len(rows))), rows
        told = {fields["order"] for _, fields in rows}
        assert first not in told and told >= set(mine)


def test_a_full_redis_leaves_no_gap():
    with Redis("--maxmemory-policy", "noeviction") as redis, Shop(redis.url()) as shop:
        shop.buy_many(8)
        redis("CONFIG", "SET", "maxmemory", "1")
        shop.buy_many(40)
        wait_for("refusals", lambda: shop.metric("feed_batches_refused_total") >= 3)
        try:
            redis("SET", "a", "b")
            raise AssertionError("it is not full")
        except RedisError as reason:
            assert "OOM" in str(reason)
        redis("CONFIG", "SET", "maxmemory", "0")
        assert_all_told(shop, redis)
    shop.check()


def test_two_streams_are_not_mixed():
    """Histories by partition: an order is told of in one stream only."""
    with Redis() as redis, Shop(redis.url()) as shop:
        shop.buy_many(24)
        streams = assert_all_told(shop, redis)
        assert len(streams) > 1
        for order in assert_histories(shop, streams):
            assert sum(any(fields["order"] == order for _, fields in rows) for rows in streams.values()) == 1
