# SPDX-License-Identifier: Apache-2.0
"""What reaches the API by hands other than a library's."""

from harness import Gateway, KEY, basic

INTENTS = "/v1/payment_intents"


def test_basic_and_bearer():
    with Gateway() as gateway:
        for key in (KEY, "sk_test_x", ""):
            answer = gateway.call("GET", INTENTS, headers=basic(key))
            assert answer.status == (200 if key == KEY else 401), answer.text
        for header in ("Bearer", "Bearer ", "Basic", "Basic !", "Basic " + "A" * 4000, "Bearer " + "k" * 4000,
                       "Digest x"):
            answer = gateway.call("GET", INTENTS, headers={"Authorization": header})
            assert answer.status == 401 and answer.error["type"] == "invalid_request_error", header
            assert answer.headers["www-authenticate"] == 'Basic realm="Stripe"'
        for path in ("/_ledger", "/_misbehave"):
            assert gateway.call("GET", path, headers={"Authorization": "x"}).status == 401


def test_any_test_key_where_none_was_given():
    with Gateway() as gateway:
        gateway.stop()
        gateway.options = ("--secret", "")
        gateway.start()
        gateway.key = "sk_test_whatever"
        assert gateway.get(INTENTS).status == 200
        gateway.key = "sk_live_whatever"
        assert gateway.get(INTENTS).status == 401
        gateway.stop()


def test_headers():
    with Gateway() as gateway:
        answer = gateway.call("POST", INTENTS, {"amount": 5, "currency": "usd"}, "a key",
                              {"Stripe-Version": "2020-08-27"})
        assert answer.headers["stripe-version"] == "2020-08-27" and answer.headers["idempotency-key"] == "a key"
        assert answer.headers["request-id"].startswith("req_") and answer.headers["content-type"] == "application/json"
        again = gateway.get(INTENTS)
        assert again.headers["request-id"] != answer.headers["request-id"]


def test_forms_that_cannot_be_read():
    with Gateway() as gateway:
        for body in ("amount=%", "amount=%4", "amount=%zz", "amount=%00", "amount=%ff", "amount=%c0%80", "a[b=1",
                     "a]b=1",
                     "[a]=1", "a[b]c=1", "a[[b]]=1", "=1", "x=1&" * 300, "n" * 201 + "=1", "amount=%ed%a0%80"):
            answer = gateway.post(INTENTS, body)
            assert answer.status == 400 and answer.error["type"] == "invalid_request_error", (body, answer.text)
        answer = gateway.call("POST", INTENTS, '{"amount": 5}', headers={"Content-Type": "application/json"})
        assert answer.status == 400 and "content type" in answer.error["message"]
        assert gateway.post(INTENTS, "metadata[a]=" + "x" * 70000).status == 413
        assert gateway.books()["payment_count"] == 0


def test_forms_that_can():
    with Gateway() as gateway:
        made = gateway.ok(INTENTS, "&&amount=1&amount=7&currency=EUR&metadata%5Ba+b%5D=c%2Bd+%C3%A9&metadata[empty]=&"
                                   "payment_method_types[]=card&automatic_payment_methods[enabled]=true&")
        assert made["amount"] == 7 and made["currency"] == "eur" and made["metadata"] == {"a b": "c+d é"}, made


def test_odd_characters_are_told_not_fallen_over():
    with Gateway() as gateway:
        for text in ("é" * 100, "x" + "é" * 100, "\U0001f600" * 60, "\x01\x7f\u2028"):
            for fields in ({"amount": text}, {"amount": 1, "currency": text}, {"amount": 1, "currency": "eur", text: 1},
                           {"amount": 1, "currency": "eur", "capture_method": text},
                           {"amount": 1, "currency": "eur", "payment_method": text},
                           {"amount": 1, "currency": "eur", "return_url": text}):
                answer = gateway.post(INTENTS, fields)
                assert answer.status == 400 and answer.error["message"], (fields, answer.text)
        for path in ("%ff", "%c3", "%01", "x" * 99 + "%c3%a9"):
            assert gateway.get(f"{INTENTS}/{path}").status == 404
            assert gateway.post(f"{INTENTS}/{path}/capture").status == 404
        for key in ("\xff", "\xe9t\xe9", "k" * 256):
            answer = gateway.post(INTENTS, {"amount": 1, "currency": "eur"}, key)
            assert answer.status == 400, answer.text
        made = gateway.create(**{"metadata[\x01\U0001f600]": "\x02\"\\é"})
        assert made["metadata"] == {"\x01\U0001f600": "\x02\"\\é"}
        assert gateway.get(INTENTS, limit="é").status == 400
        gateway.kill()
        gateway.start()
        assert gateway.books()["payment_count"] == 1


def test_texts_are_bounded():
    """What one entry of the ledger could not hold is refused, and the rest goes on."""
    with Gateway() as gateway:
        made = gateway.paid(**{f"metadata[{i}]": "\x01" * 500 for i in range(40)})
        big = {f"metadata[{i}]": "x" * 500 for i in range(30)}
        statuses = [gateway.post("/v1/refunds", {"payment_intent": made["id"], "amount": 1, **big}, f"key-{i}").status
                    for i in range(3)]
        assert statuses == [400] * 3, statuses
        assert gateway.ok("/v1/refunds", {"payment_intent": made["id"], "amount": 1}, "key-0")["amount"] == 1
        for i in range(31):
            gateway.ok("/v1/refunds", {"payment_intent": made["id"], "amount": 1, "metadata[i]": i})
        assert gateway.post("/v1/refunds", {"payment_intent": made["id"], "amount": 1}).status == 400
        gateway.kill()
        gateway.start()
        assert gateway.books()["payments"][0]["refunded"] == 32


def test_the_order_of_parameters_is_no_difference():
    with Gateway() as gateway:
        first = gateway.ok(INTENTS, "amount=7&currency=eur&metadata[a]=1&metadata[b]=2", "key")
        assert gateway.ok(INTENTS, "metadata[b]=2&currency=eur&metadata[a]=1&amount=7", "key") == first
        assert gateway.post(INTENTS, "amount=7&currency=eur&metadata[a]=12&metadata[b]=", "key").status == 400
        assert gateway.post(INTENTS, {"amount": 7, "currency": "eur"}, "k" * 256).error["type"] == "idempotency_error"


def test_unknown_urls():
    with Gateway() as gateway:
        for method, path in (("GET", "/"), ("GET", "/v1/customers"), ("POST", "/v1/payment_intents/x/nothing")):
            answer = gateway.call(method, path)
            assert answer.status == 404 and "Unrecognized request URL" in answer.error["message"], answer.text
        assert gateway.call("DELETE", INTENTS).status == 405
        assert gateway.get(f"/v1/payment_intents/{'x' * 500}").status == 404


def test_the_holders_page_wants_the_secret():
    with Gateway() as gateway:
        made = gateway.create(confirm="true", payment_method="pm_card_threeDSecure2Required")
        path = f"/_authenticate/{made['id']}"
        assert gateway.get(path).status == 404
        assert gateway.get(path, client_secret="x", result="succeeded").status == 404
        answer = gateway.get(path, client_secret=made["client_secret"], result="succeeded")
        assert answer.status == 200 and answer.text == "succeeded\n"
        assert gateway.get(path, client_secret=made["client_secret"], result="failed").text == "succeeded\n"
        assert gateway.books()["payments"][0]["captured"] == 1000
