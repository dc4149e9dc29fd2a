# SPDX-License-Identifier: Apache-2.0
"""Guest sessions: who may call, and by what proof."""
from harness import ApiTest, Client, new_key


class Sessions(ApiTest):
    def test_new_session_answers_token_cookie_and_header(self):
        response = self.server.anonymous().call("POST", "/v1/sessions", {}, expect=201)
        token = response.json()["token"]
        self.assertEqual(response.header("x-session-token"), token)
        cookie = response.header("set-cookie")
        self.assertTrue(cookie.startswith(f"stampede_session={token};"), cookie)
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        self.assertIn("httponly", attributes)
        self.assertIn("samesite=lax", attributes)
        self.assertIn("path=/", attributes)
        self.assertNotIn("secure", attributes, "without TLS a Secure cookie would never come back")

    def test_session_needs_no_body(self):
        self.server.anonymous().call("POST", "/v1/sessions", expect=201)

    def test_each_session_is_another_guest(self):
        tokens = {self.server.guest().token for _ in range(20)}
        self.assertEqual(len(tokens), 20)

    def test_cookie_and_bearer_are_the_same_guest(self):
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        cookie = [("Cookie", f"a=b; stampede_session={self.guest.token}; c=d")]
        seen = self.server.anonymous().reservation(hold["id"], headers=cookie, expect=200).json()
        self.assertEqual(seen["id"], hold["id"])

    def test_forged_tokens_are_nobody(self):
        sku = self.admin.create_sku()
        good = self.guest.token
        flipped = good[:-1] + ("A" if good[-1] != "A" else "B")
        middle = len(good) // 2
        inside = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
        for token in (flipped, inside, good[:-4], good + "A", good * 2, "x", "." * 40, "A" * 4000):
            with self.subTest(token=token[:60]):
                client = Client(self.server, token=token)
                client.reserve(sku, expect=401, code="unauthenticated")
                client.call("GET", "/v1/reservations", expect=401)
        self.assertEqual(self.admin.inventory(sku)["reserved"], 0)

    def test_other_authorization_schemes_are_nobody(self):
        for value in ("", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", self.guest.token):
            with self.subTest(value=value[:20]):
                headers = [("Authorization", value)]
                self.server.anonymous().call("GET", "/v1/reservations", headers=headers, expect=401)

    def test_body_rules(self):
        client = self.server.anonymous()
        self.assert_problem_field(client.call("POST", "/v1/sessions", {"admin": True}), "admin")
        client.call("POST", "/v1/sessions", b'{"a":', expect=400, code="malformed_json")
        text = [("Content-Type", "text/plain")]
        client.call(
            "POST", "/v1/sessions", b"{}", headers=text, expect=415, code="unsupported_media_type"
        )

    def test_calls_that_need_a_session_say_so(self):
        client = self.server.anonymous()
        client.call(
            "POST",
            "/v1/reservations",
            {"sku": "ANY", "quantity": 1},
            key=new_key(),
            expect=401,
            code="unauthenticated",
        )
        client.call("GET", "/v1/reservations", expect=401, code="unauthenticated")
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        client.call("GET", f"/v1/reservations/{hold['id']}", expect=401)

    def test_other_writes_make_a_session(self):
        """Nothing is a new guest's own, so that the answer is 404; but the session is there to go on with."""
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        for method, suffix in (("DELETE", ""), ("POST", "/extend")):
            with self.subTest(method=method, suffix=suffix):
                target = f"/v1/reservations/{hold['id']}{suffix}"
                client = self.server.anonymous()
                refused = client.call(method, target, expect=404, code="not_found")
                token = refused.header("x-session-token")
                self.assertTrue(refused.header("set-cookie").startswith(f"stampede_session={token};"))
                self.assertEqual(Client(self.server, token=token).hold(sku)["status"], "held")
                # What is given and not valid is not replaced, lest its owner's holds be lost unseen.
                Client(self.server, token=token[:-4]).call(
                    method, target, expect=401, code="unauthenticated"
                )
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held")
