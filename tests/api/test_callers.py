# SPDX-License-Identifier: Apache-2.0
"""Staff and their roles, and sessions by cookie. Every route with every caller: test_matrix.py."""
from harness import Client, new_key
from test_accounts import PASSWORD, AccountTest, log_in, new_email, register


class Staff(AccountTest):
    def test_invited_given_another_role_and_removed(self):
        email = new_email()
        owner = self.staff("owner")
        body = {"email": email, "role": "orders", "name": "Carl"}
        invited = owner.call("POST", "/v1/admin/staff", body, expect=201).json()
        self.assertEqual((invited["status"], invited["role"]), ("pending", "orders"))
        Client(self.server).call("POST", "/v1/auth/login", {"email": email, "password": PASSWORD}, expect=401)
        # Nobody gets into the invited account by registering its address.
        Client(self.server).call("POST", "/v1/auth/register", {"email": email, "password": PASSWORD}, expect=409)
        again = owner.call("POST", "/v1/admin/staff", {**body, "role": "catalogue"}, expect=201).json()
        self.assertEqual((again["id"], again["role"]), (invited["id"], "catalogue"))
        reset = {"token": invited["invite_token"], "password": PASSWORD}
        client = Client(self.server)
        client.call("POST", "/v1/auth/password/reset", reset, expect=400, code="token_invalid")
        reset["token"] = again["invite_token"]
        client.call("POST", "/v1/auth/password/reset", {**reset, "password": "short"}, expect=422)
        client.call("POST", "/v1/auth/password/reset", reset, expect=204)
        client.call("POST", "/v1/auth/password/reset", reset, expect=400, code="token_invalid")
        carl = log_in(self.server, email)
        self.assertTrue(carl.token.startswith("ss_"))
        carl.create_sku(1)
        carl.call("GET", "/v1/admin/staff", expect=403, code="forbidden")
        owner.call("POST", "/v1/admin/staff", body, expect=409, code="email_taken")
        target = f"/v1/admin/staff/{invited['id']}"
        changed = owner.call("PATCH", target, {"role": "read_only"}, expect=200).json()
        self.assertEqual(changed["role"], "read_only")
        carl.call("GET", "/v1/admin/products", expect=401)
        carl = log_in(self.server, email)
        carl.call("POST", "/v1/admin/products", {}, expect=403, code="forbidden")
        carl.call("GET", "/v1/admin/products", expect=200)
        owner.call("DELETE", target, expect=204)
        owner.call("DELETE", target, expect=204)
        carl.call("GET", "/v1/admin/products", expect=401)
        carl = log_in(self.server, email)
        self.assertTrue(carl.token.startswith("sc_"))
        carl.call("GET", "/v1/admin/products", expect=403)
        owner.call("GET", target, expect=404, code="not_found")
        owner.call("PATCH", target, {"role": "owner"}, expect=404)

    def test_list_and_fields(self):
        people = {self.staff("support").id for _ in range(3)}
        register(self.server)
        listed = self.admin.pages("/v1/admin/staff?limit=2")
        self.assertLessEqual(people, {entry["id"] for entry in listed})
        self.assertNotIn("customer", {entry["role"] for entry in listed})
        self.assertEqual(len(listed), len({entry["id"] for entry in listed}))
        for email, role, field in (("x", "owner", "email"), (new_email(), "customer", "role"), (new_email(), 1, "role")):
            body = {"email": email, "role": role}
            self.assert_field(self.admin.call("POST", "/v1/admin/staff", body), field)
        for query in ("?limit=0", "?limit=101", "?cursor=x", "?role=owner"):
            self.admin.call("GET", f"/v1/admin/staff{query}", expect=422)
        for bad in ("cus_1", "cus_" + "0" * 26, "x"):
            self.admin.call("GET", f"/v1/admin/staff/{bad}", expect=404)

    def test_customers_are_found_by_address(self):
        ann = register(self.server, name="Ann")
        support = self.staff("support")
        found = support.call("GET", f"/v1/admin/customers?email={ann.email.upper()}", expect=200).json()["data"]
        self.assertEqual([entry["id"] for entry in found], [ann.id])
        self.assertEqual(support.call("GET", f"/v1/admin/customers?email={new_email()}", expect=200).json()["data"], [])
        for query in ("", "?email=x", "?email=", "?email=a@b.example&email=c@d.example"):
            support.call("GET", f"/v1/admin/customers{query}", expect=422)


class Cookies(AccountTest):
    """What a browser sends by itself proves nothing: unsafe calls need the page's origin and the token."""

    flags = (*AccountTest.flags, "--cors-origins", "https://shop.example")

    def browser(self, cookies, method, target, body=None, **headers):
        lines = [("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()))]
        lines += [(name.replace("_", "-"), value) for name, value in headers.items() if value is not None]
        return self.server.anonymous().call(method, target, body, headers=lines, key=new_key())

    def own(self):
        return "http://" + ":".join(str(part) for part in self.server.address)

    def jar(self, answer):
        pairs = [line.split(";")[0].split("=", 1) for line in answer.header_all("set-cookie")]
        return {name: value for name, value in pairs}

    def entered(self):
        ann = register(self.server)
        body = {"email": ann.email, "password": PASSWORD}
        return self.jar(Client(self.server).call("POST", "/v1/auth/login", body, expect=200))

    def test_cookies_of_a_login(self):
        ann = register(self.server)
        body = {"email": ann.email, "password": PASSWORD}
        answer = Client(self.server).call("POST", "/v1/auth/login", body, expect=200)
        session, csrf = answer.header_all("set-cookie")
        for part in ("HttpOnly", "SameSite=Lax", "Path=/"):
            self.assertIn(f"; {part}", session)
        self.assertIn("; SameSite=Lax", csrf)
        self.assertNotIn("HttpOnly", csrf)
        jar = self.jar(answer)
        self.assertEqual(answer.header("x-csrf-token"), jar["stampede_csrf"])
        profile = self.browser(jar, "GET", "/v1/me").json()
        self.assertEqual(profile["csrf_token"], jar["stampede_csrf"])
        gone = self.browser(jar, "POST", "/v1/auth/logout", Origin=self.own(), X_CSRF_Token=jar["stampede_csrf"])
        self.assertEqual(gone.status, 204)
        self.assertEqual(self.jar(gone), {"stampede_session": "", "stampede_csrf": ""})
        self.assertEqual(self.browser(jar, "GET", "/v1/me").status, 401)

    def test_unsafe_calls_of_customers_and_guests(self):
        sku = self.admin.create_sku(100)
        guest = self.jar(self.server.anonymous().call("POST", "/v1/sessions", expect=201))
        for index, jar in enumerate((self.entered(), guest)):
            token = jar["stampede_csrf"]
            body = {"sku": sku, "quantity": 1}
            call = lambda **headers: self.browser(jar, "POST", "/v1/reservations", body, **headers)
            good = {"Origin": self.own(), "X_CSRF_Token": token}
            refused = [
                {},
                {"Origin": self.own()},
                {"X_CSRF_Token": token},
                {**good, "Origin": "http://evil.example"},
                {**good, "Origin": "null"},
                {**good, "Origin": self.own() + ".evil.example"},
                {**good, "Origin": "https://shop.example.evil"},
                {**good, "Sec_Fetch_Site": "cross-site"},
                {**good, "X_CSRF_Token": token[:-1] + ("0" if token[-1] != "0" else "1")},
                {**good, "X_CSRF_Token": token[:-1]},
                {**good, "X_CSRF_Token": ""},
                {"Referer": "http://evil.example/" + self.own(), "X_CSRF_Token": token},
            ]
            for headers in refused:
                with self.subTest(headers=headers):
                    answer = call(**headers)
                    self.assertEqual((answer.status, answer.code), (403, "forbidden"))
            self.assertEqual(self.admin.inventory(sku)["reserved"], 4 * index)
            for headers in (
                good,
                {**good, "Sec_Fetch_Site": "same-origin"},
                {**good, "Origin": "https://shop.example", "Sec_Fetch_Site": "cross-site"},
                {"Referer": self.own() + "/cart?x=1", "X_CSRF_Token": token},
            ):
                with self.subTest(headers=headers):
                    self.assertEqual(call(**headers).status, 201)
            self.assertEqual(self.browser(jar, "GET", "/v1/reservations", Origin="http://evil.example").status, 200)

    def test_a_token_is_of_its_session(self):
        first, second = self.entered(), self.entered()
        headers = {"Origin": self.own(), "X_CSRF_Token": second["stampede_csrf"]}
        self.assertEqual(self.browser(first, "PATCH", "/v1/me", {"name": "A"}, **headers).status, 403)
        headers["X_CSRF_Token"] = first["stampede_csrf"]
        self.assertEqual(self.browser(first, "PATCH", "/v1/me", {"name": "A"}, **headers).status, 200)

    def test_bearer_tokens_need_none(self):
        ann = register(self.server)
        headers = [("Origin", "http://evil.example"), ("Authorization", f"Bearer {ann.token}")]
        ann.call("PATCH", "/v1/me", {"name": "A"}, headers=headers, expect=200)

    def test_nobody_is_logged_in_by_another_sites_page(self):
        ann = register(self.server)
        body = {"email": ann.email, "password": PASSWORD}
        for target in ("/v1/auth/login", "/v1/auth/register"):
            for headers in ([("Origin", "http://evil.example")], [("Sec-Fetch-Site", "cross-site")]):
                Client(self.server).call("POST", target, body, headers=headers, expect=403, code="forbidden")
        headers = [("Origin", "https://shop.example")]
        Client(self.server).call("POST", "/v1/auth/login", body, headers=headers, expect=200)

    def test_a_planted_session_is_not_kept_at_login(self):
        """Session fixation: what the browser had before the login is worth nothing after it."""
        planted = self.jar(self.server.anonymous().call("POST", "/v1/sessions", expect=201))
        ann = register(self.server)
        body = {"email": ann.email, "password": PASSWORD}
        answer = self.browser(planted, "POST", "/v1/auth/login", body, Origin=self.own())
        self.assertEqual(answer.status, 200)
        self.assertNotEqual(self.jar(answer)["stampede_session"], planted["stampede_session"])
        self.assertEqual(self.browser(planted, "GET", "/v1/reservations").status, 401)
        self.assertEqual(self.browser(planted, "GET", "/v1/me").status, 401)


class SecureCookies(AccountTest):
    flags = (*AccountTest.flags, "--secure-cookies", "on")

    def test_cookies_are_bound_to_the_host(self):
        ann = register(self.server)
        body = {"email": ann.email, "password": PASSWORD}
        answer = Client(self.server).call("POST", "/v1/auth/login", body, expect=200)
        lines = answer.header_all("set-cookie")
        names = [line.split("=")[0] for line in lines]
        self.assertEqual(names, ["__Host-stampede_session", "__Host-stampede_csrf"])
        for line in lines:
            self.assertIn("; Secure", line)
            self.assertIn("; Path=/", line)
            self.assertNotIn("Domain", line)
