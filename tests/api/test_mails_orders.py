# SPDX-License-Identifier: Apache-2.0
"""Orders' mails that have not gone out, as staff see them and send them again: the mail server does as it is told."""
import socketserver
import threading

from harness import Server, fresh_path, new_key, wait_until
from test_accounts import PASSWORD, new_email, register
from test_checkout import figure, pay
from test_orders_admin import PARCEL, StaffTest


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mails, puts them off or refuses them; `taken` are those that it took, as text."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MailSession)
        self.answer = "250 taken"
        self.taken = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def stop(self):
        self.shutdown()
        self.server_close()


class MailSession(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.say("220 test")
            while self.step(self.rfile.readline().decode(errors="replace").strip().upper()):
                pass
        except OSError:
            pass

    def step(self, command):
        if command.startswith("RCPT"):
            self.say(self.server.answer)
        elif command == "DATA":
            self.say("354 go on")
            lines = []
            while (line := self.rfile.readline().decode(errors="replace")) not in ("", ".\r\n"):
                lines.append(line)
            self.server.taken.append("".join(lines))
            self.say("250 taken")
        elif command != "":
            self.say("221 bye" if command == "QUIT" else "250 test")
        return command not in ("", "QUIT")


class UnsentTest(StaffTest):
    @classmethod
    def setUpClass(cls):
        cls.mail_server = MailServer()
        cls.server = Server("--shards", "2", "--auth-verify", "off", "--smtp-url", cls.mail_server.url,
                            "--smtp-starttls", "off", "--mail-from", "orders@shop.test",
                            "--mail-dir", fresh_path("mails"))

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.mail_server.stop()

    def rows(self, order=None, query=""):
        rows = self.admin.pages("/v1/admin/mails" + query)
        return rows if order is None else [row for row in rows if row["order_id"] == order["id"]]

    def row(self, order, state, template="order-confirmed"):
        def found():
            return [row for row in self.rows(order) if (row["state"], row["template"], row["attempts"] > 0) ==
                    (state, template, True)]

        wait_until(lambda: len(found()) == 1, 20, f"a mail that is {state}")
        return found()[0]

    def replay(self, row, client=None, **asked):
        return (client or self.admin).call("POST", f"/v1/admin/mails/{row['id']}/replay", {}, key=new_key(), **asked)

    def unsent(self, answer, **fields):
        """An order whose confirmation the mail server answers so, and that mail as it is listed."""
        self.mail_server.answer = answer
        _, order = self.paid(**fields)
        row = self.row(order, "dead" if answer.startswith("5") else "waiting")
        self.mail_server.answer = "250 taken"
        return order, row


class UnsentMails(UnsentTest):
    def test_a_dead_letter_is_listed_and_sent_again(self):
        email = new_email()
        order, row = self.unsent("550 nobody of that name", email=email)
        self.assertEqual((row["order_id"], row["attempts"], row["next_attempt_at"]), (order["id"], 1, None))
        self.assertRegex(row["id"], f"^mail_{order['id'][4:]}_[0-9a-z]{{11}}$")
        self.assertRegex(row["recipient"], r"^.\*\*\*@.\*\*\*\.")
        self.assertIsNotNone(row["reason"])
        shown = self.admin.call("GET", "/v1/admin/mails?state=dead", expect=200)
        for private in (email, email.split("@")[0], "Ann Example", "Lane 1"):
            self.assertNotIn(private, shown.body.decode())
        self.replay(row, expect=202)
        wait_until(lambda: self.rows(order) == [], 20, "the mail to go out")
        self.assertEqual([f"<{row['message_id']}@shop.test>" in mail for mail in self.mail_server.taken
                          if order["id"] in mail], [True])
        self.replay(row, expect=404, code="not_found")
        self.assertEqual(self.audited(order), [("mail_replayed", None, row["id"][-11:])])

    def test_one_that_waits_is_tried_at_once(self):
        order, row = self.unsent("451 later")
        self.assertEqual((row["state"], row["attempts"]), ("waiting", 1))
        self.replay(row, expect=202)
        wait_until(lambda: self.rows(order) == [], 20, "the mail to go out")

    def test_one_that_is_refused_again_is_a_dead_letter_again(self):
        order, row = self.unsent("550 no")
        self.mail_server.answer = "550 still no"
        self.replay(row, expect=202)
        again = self.row(order, "dead")
        self.assertEqual((again["id"], again["message_id"], again["attempts"]), (row["id"], row["message_id"], 1))
        self.mail_server.answer = "250 taken"

    def test_each_occasion_is_a_mail_of_its_own(self):
        order, first = self.unsent("550 no")
        self.mail_server.answer = "550 no"
        self.do(order, "fulfil", {"tracking": PARCEL})
        self.refund(order, amount_minor=100)
        self.refund(order, amount_minor=200)
        wait_until(lambda: len(self.rows(order, "?state=dead")) == 4, 20, "four dead letters")
        self.mail_server.answer = "250 taken"
        rows = self.rows(order)
        self.assertEqual(sorted(row["template"] for row in rows),
                         ["order-confirmed", "order-refunded", "order-refunded", "order-shipped"])
        self.assertEqual(len({row["id"] for row in rows}), 4)
        refunds = [row for row in rows if row["template"] == "order-refunded"]
        self.replay(refunds[1], expect=202)
        wait_until(lambda: len(self.rows(order)) == 3, 20, "one to go out")
        self.assertEqual({row["id"] for row in rows} - {row["id"] for row in self.rows(order)}, {refunds[1]["id"]})
        self.assertIn(first["id"], [row["id"] for row in self.rows(order)])

    def test_accounts_and_orders_are_one_list(self):
        self.mail_server.answer = "550 no"
        orders = [self.paid()[1] for _ in range(3)]
        customer = register(self.server)
        customer.call("POST", "/v1/auth/password/forgot", {"email": customer.call("GET", "/v1/me").json()["email"]},
                      expect=202)
        for order in orders:
            self.row(order, "dead")
        wait_until(lambda: [row for row in self.rows() if row["order_id"] is None and row["attempts"]], 20, "a mail")
        whole = [row["id"] for row in self.rows(query="?limit=100")]
        self.assertEqual(len(set(whole)), len(whole))
        kinds = [row["order_id"] is not None for row in self.rows()]
        self.assertEqual(kinds, sorted(kinds), "accounts' first")
        for limit in (1, 2, len(whole)):
            seen, cursor = [], ""
            while cursor is not None:
                page = self.admin.call("GET", f"/v1/admin/mails?limit={limit}{cursor}", expect=200).json()
                self.assertLessEqual(len(page["data"]), limit)
                seen += [row["id"] for row in page["data"]]
                cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
            self.assertEqual(seen, whole)
        for state in ("waiting", "dead"):
            self.assertEqual({row["state"] for row in self.rows(query=f"?state={state}&limit=1")} - {state}, set())
        self.mail_server.answer = "250 taken"

    def test_an_id_of_none_is_not_found(self):
        order, row = self.unsent("550 no")
        begin, number = row["id"][:-12], row["id"][-11:]
        other = begin[:-1] + ("0" if begin[-1] != "0" else "1")
        for name in (begin, f"{begin}_", f"{begin}_00000000000", f"{begin}_0000000000z", f"{other}_{number}",
                     f"{row['id']}0", f"mail_{order['id']}_{number}", f"{begin}_zzzzzzzzzzz"):
            self.admin.call("POST", f"/v1/admin/mails/{name}/replay", {}, key=new_key(), expect=404,
                            code="not_found")
        self.assertEqual(self.audited(order), [])

    def test_of_who_was_forgotten_nothing_is_told_nor_sent(self):
        self.mail_server.answer = "550 no"
        customer = register(self.server)
        sku = self.admin.create_sku(5)
        order = pay(customer, self.order(customer, sku), expect=200).json()
        row = self.row(order, "dead")
        self.assertIsNotNone(row["recipient"])
        self.do(order, "fulfil", {"tracking": PARCEL})
        self.do(order, "deliver")
        self.mail_server.answer = "250 taken"
        customer.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        wait_until(lambda: [found["recipient"] for found in self.rows(order) if found["id"] == row["id"]] in
                   ([None], []), 20, "the person to be forgotten")
        before = len(self.mail_server.taken)
        self.replay(row, expect=404, code="not_found")
        self.assertNotIn(row["id"], [found["id"] for found in self.rows(order)])
        self.assertEqual([mail for mail in self.mail_server.taken[before:] if order["id"] in mail], [])
        self.assertNotIn("mail_replayed", [act for act, _, _ in self.audited(order)])

    def test_only_staff_may(self):
        _, row = self.unsent("550 no")
        for client, status in ((self.guest, 403), (self.server.anonymous(), 401)):
            self.replay(row, client, expect=status)


class Restarted(UnsentTest):
    def test_a_dead_letter_outlives_the_server(self):
        order, row = self.unsent("550 no")
        self.server.kill()
        self.server.start()
        self.setUp()
        self.assertEqual(self.rows(order), [row])
        self.replay(row, expect=202)
        wait_until(lambda: self.rows(order) == [], 20, "the mail to go out")
        wait_until(lambda: figure(self.server, "stampede_order_mails_dead") == 0, 20, "the figure")
