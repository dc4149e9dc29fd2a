# SPDX-License-Identifier: Apache-2.0
"""What an order's person is told of by mail: once each, whatever happens to the server, and nothing but text."""
import email
import email.policy
import html
import os
import re
import unittest

from harness import Server, fresh_path, wait_until
from test_accounts import new_email, register
from test_checkout import ADDRESS, check_out, figure, look, pay, purchase, token_of
from test_orders_admin import PARCEL, StaffTest

HOSTILE = "<script>alert(1)</script> \"'&amp; {{link}} {{/lines}}"


class Mail:
    def __init__(self, message):
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        self.headers = parsed
        self.to, self.subject, self.id = parsed["To"], parsed["Subject"], parsed["Message-ID"]
        self.text = parsed.get_body(("plain",)).get_content().replace("\r\n", "\n")
        self.html = parsed.get_body(("html",)).get_content().replace("\r\n", "\n")


class MailTest(StaffTest):
    server_flags = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = fresh_path("mails")
        cls.server = Server("--shards", "2", "--auth-verify", "off", "--mail-dir", cls.folder, "--public-url",
                            "https://shop.test/", "--shop-name", "Aurora", "--mail-from", "orders@shop.test",
                            *cls.server_flags)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def files(self):
        return {name for name in os.listdir(self.folder) if name.endswith(".eml")}

    def mails(self, order=None):
        """The confirmation first, which others may overtake, then oldest first; of one order: those that name it."""
        found = []
        for name in sorted(self.files(), key=lambda name: os.stat(os.path.join(self.folder, name)).st_mtime_ns):
            with open(os.path.join(self.folder, name), "rb") as handle:
                found.append(Mail(handle.read()))
        found.sort(key=lambda mail: ": your order " not in mail.subject)
        return [mail for mail in found if order is None or order["id"] in mail.text]

    def wait(self, order, count):
        wait_until(lambda: len(self.mails(order)) >= count, 20, f"{count} mails of an order")
        self.quiet()
        found = self.mails(order)
        self.assertEqual(len(found), count, [mail.subject for mail in found])
        return found

    def quiet(self):
        wait_until(lambda: figure(self.server, "stampede_order_mails_waiting") == 0, 20, "no mail to wait")


class OrderMails(MailTest):
    def test_a_paid_order_is_confirmed_by_one_mail(self):
        sku = self.admin.create_sku(10, name="Aurora Runner")
        body = purchase(self.guest.hold(sku, 2), email=new_email())
        order = check_out(self.guest, body, expect=201).json()
        self.assertEqual(self.mails(order), [], "nothing is told of what is not paid")
        pay(self.guest, order, expect=200)
        pay(self.guest, order, expect=200)
        mail = self.wait(order, 1)[0]
        self.assertEqual((mail.to, mail.subject), (body["email"], f"Aurora: your order {order['id']}"))
        self.assertRegex(mail.id, r"^<[0-9a-f]{32}@shop\.test>$")
        for text in (mail.text, mail.html):
            for part in ("Aurora Runner", "39.98 EUR", "Ann Example", "Lane 1", "3000 Bern", "CH", "orders@shop.test",
                         "https://shop.test/orders/" + order["id"]):
                self.assertIn(part, text)
            self.assertNotIn("{{", text)
        self.assertIn("2 x Aurora Runner\n      19.99 EUR each, 39.98 EUR\n", mail.text)
        self.assertNotIn("Discount", mail.text)
        self.assertNotIn("unsubscribe", mail.text.lower())
        link = re.search(r"https://shop\.test(/orders/\S+\?token=([0-9a-f]+))", mail.text)
        token = link[2]
        self.assertEqual(token, token_of(self.server, order))
        seen = self.server.anonymous().call("GET", f"/v1/orders/{order['id']}?token={token}", expect=200).json()
        self.assertEqual(seen["status"], "confirmed")
        followed = self.server.anonymous().call("GET", link[1], expect=200)
        self.assertEqual(followed.json(), seen, "the link itself works")
        self.assertNotIn(token, self.server.output())

    def test_what_was_taken_off_and_added_is_told(self):
        sku = self.admin.create_sku(10)
        code = self.coupon(percent_bp=2500)
        order = pay(self.guest, self.order(self.guest, sku, 1, coupon=code), expect=200).json()
        mail = self.wait(order, 1)[0]
        totals = order["totals"]
        self.assertGreater(totals["discount_minor"], 0)
        self.assertIn(f"Discount ({code}): -{totals['discount_minor'] / 100:.2f} EUR\n", mail.text)
        self.assertIn(f"Total: {totals['total_minor'] / 100:.2f} EUR\n", mail.text)

    def test_currencies_have_their_decimals(self):
        for currency, price, expected in (("JPY", 1500, "1500 JPY"), ("KWD", 12345, "12.345 KWD")):
            sku = self.admin.create_sku(3, currency=currency, price_minor=price)
            order = pay(self.guest, self.order(self.guest, sku), expect=200).json()
            self.assertIn(f"Total: {expected}\n", self.wait(order, 1)[0].text)

    def test_a_parcel_is_told_with_its_number(self):
        _, order = self.paid()
        self.do(order, "fulfil")
        self.do(order, "fulfil", {"tracking": PARCEL})
        self.do(order, "fulfil", {"tracking": PARCEL})
        self.do(order, "deliver")
        mail = self.wait(order, 2)[1]
        self.assertEqual(mail.subject, f"Aurora: order {order['id']} is on its way")
        self.assertIn("DHL JJD0001", mail.text)
        self.assertNotIn("<a href=\"JJD", mail.html)

    def test_only_an_address_of_the_web_becomes_a_link(self):
        for number, is_link in (("https://track.test/?n=1&x=2", True), ("javascript:alert(1)", False),
                                ("https://track.test/\"onclick=", False)):
            _, order = self.paid()
            self.do(order, "fulfil", {"tracking": {"carrier": "<b>DHL", "number": number}})
            mail = self.wait(order, 2)[1]
            self.assertEqual(f"<a href=\"{html.escape(number)}\">" in mail.html, is_link, mail.html)
            self.assertIn(f"<b>DHL {number}", mail.text)
            self.assertIn("&lt;b&gt;DHL", mail.html)
            self.assertIn(html.escape(number), mail.html)

    def test_each_refund_is_told_with_its_amount(self):
        _, order = self.paid(3)
        self.refund(order, amount_minor=500)
        self.refund(order, amount_minor=250)
        self.refund(order)
        mails = self.wait(order, 4)[1:]
        self.assertEqual(sorted(mail.subject.split(":")[1].split(" of ")[0].strip() for mail in mails),
                         ["2.50 EUR", "5.00 EUR", "52.47 EUR"])
        full = [mail for mail in mails if "the whole order is paid back" in mail.text]
        self.assertEqual([mail.subject[:19] for mail in full], ["Aurora: 52.47 EUR o"])
        self.assertEqual(len({mail.id for mail in self.mails(order)}), 4)

    def test_what_is_shipped_again_after_a_refund_is_told_once(self):
        _, order = self.paid(2)
        self.do(order, "fulfil", {"tracking": PARCEL})
        self.wait(order, 2)
        self.refund(order, amount_minor=100)
        self.wait(order, 3)
        self.do(order, "fulfil", {"tracking": {**PARCEL, "number": "JJD0002"}})
        self.assertEqual(look(self.guest, order).json()["status"], "shipped")
        self.wait(order, 3)

    def test_a_cancelled_order_is_told_once_with_what_goes_back(self):
        _, order = self.paid(2)
        self.do(order, "cancel")
        mail = self.wait(order, 2)[1]
        self.assertEqual(mail.subject, f"Aurora: order {order['id']} was cancelled")
        self.assertIn("39.98 EUR goes back to you", mail.text)

    def test_a_cancellation_tells_what_had_not_gone_back_before(self):
        _, order = self.paid(2)
        self.refund(order, amount_minor=500)
        self.wait(order, 2)
        self.do(order, "cancel")
        self.assertIn("\n34.98 EUR goes back to you", self.wait(order, 3)[2].text)

    def test_an_order_that_nobody_paid_for_is_told_of_to_nobody(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        self.assertEqual(look(self.guest, order).json()["status"], "cancelled")
        _, other = self.paid()
        self.wait(other, 1)
        self.assertEqual(self.mails(order), [])

    def test_a_customer_gets_them_too(self):
        customer = register(self.server)
        order = self.order(customer, self.admin.create_sku(5))
        pay(customer, order, expect=200)
        self.wait(order, 1)

    def test_what_others_wrote_stays_text(self):
        sku = self.admin.create_sku(5, name=HOSTILE)
        address = {**ADDRESS, "name": "Ann <img src=x onerror=y> {{order}}", "line1": "Lane \"1\" & 'b'"}
        order = self.order(self.guest, sku, shipping_address=address)
        pay(self.guest, order, expect=200)
        mail = self.wait(order, 1)[0]
        self.assertIn(HOSTILE, mail.text)
        self.assertIn(address["name"], mail.text)
        for text in (HOSTILE, address["name"], address["line1"]):
            self.assertIn(html.escape(text).replace("&#x27;", "&#39;"), mail.html)
        self.assertNotIn("<script", mail.html)
        self.assertNotIn("<img", mail.html)
        self.assertEqual([name for name, _ in mail.headers.items()].count("Subject"), 1)

    def test_line_separators_in_a_name_do_not_stop_a_mail(self):
        sku = self.admin.create_sku(5, name="Two\u2028lines\u0085here")
        order = pay(self.guest, self.order(self.guest, sku), expect=200).json()
        self.assertIn("Two lines here", self.wait(order, 1)[0].text)

    def test_twenty_long_names_fit(self):
        lines = [(self.admin.create_sku(5, name=f"{i:02}" + "&" * 198), 1) for i in range(20)]
        hold = self.guest.reserve_items(*lines).json()
        order = check_out(self.guest, purchase(hold), expect=201).json()
        pay(self.guest, order, expect=200)
        mail = self.wait(order, 1)[0]
        for i in range(20):
            self.assertIn(f"1 x {i:02}&&&", mail.text)


class Templates(MailTest):
    @classmethod
    def setUpClass(cls):
        texts = fresh_path("templates")
        os.mkdir(texts)
        with open(os.path.join(texts, "order-confirmed.txt"), "w", encoding="utf-8") as handle:
            handle.write("Subject: Merci {{order}}\n\n{{#lines}}\n{{title}}={{quantity}}\n{{/lines}}\n"
                         "{{#discount}}\nrabais\n{{/discount}}\n{{total}}\n")
        cls.server_flags = ("--mail-templates", texts)
        super().setUpClass()

    def test_a_shop_has_its_own_text(self):
        sku = self.admin.create_sku(5, name="Caf\u00e9")
        order = pay(self.guest, self.order(self.guest, sku, 2), expect=200).json()
        wait_until(lambda: self.mails(), 20, "a mail")
        mail = self.mails()[0]
        self.assertEqual((mail.subject, mail.text), (f"Merci {order['id']}", "Caf\u00e9=2\n39.98 EUR\n"))
        self.assertIn("Thank you for your order", mail.html)


class Killed(MailTest):
    def test_a_server_that_dies_at_any_moment_tells_once_of_each(self):
        orders = []
        for round_number in range(4):
            for _ in range(5):
                orders.append(self.paid()[1])
            if round_number % 2 == 0:
                self.do(orders[-1], "fulfil", {"tracking": PARCEL})
                self.refund(orders[-2], amount_minor=100)
                self.do(orders[-3], "cancel")
            self.server.kill()
            self.server.start()
            self.setUp()
        self.quiet()
        found = self.mails()
        self.assertEqual(len({mail.id for mail in found}), len(found))
        expected = len(orders) + 2 * 3
        self.assertEqual(len(found), expected, "a file has the name of its Message-ID: at most one an occasion")
        for order in orders:
            self.assertEqual(sum(f"your order {order['id']}" in mail.subject for mail in found), 1)
        self.server.stop()
        checked = self.server.check()
        self.assertEqual(checked.returncode, 0, checked.stdout)


class Nowhere(StaffTest):
    """Without a mail server and without a folder none is owed."""

    def test_nothing_is_kept_for_later(self):
        self.paid()
        self.assertEqual(figure(self.server, "stampede_order_mails_waiting"), 0)


if __name__ == "__main__":
    unittest.main()
