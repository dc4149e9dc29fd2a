# SPDX-License-Identifier: Apache-2.0
"""Mails that have not gone out, as staff see them: here none does, for no mail server is configured."""
import unittest

from harness import ApiTest, Server, new_key, wait_until


class Mails(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        guest = cls.server.guest()
        for i in range(5):
            guest.call("POST", "/v1/auth/register",
                       {"email": f"person{i}@shop.example", "password": "correct horse battery staple"}, expect=202)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.admin = self.server.admin()
        # An answer to a registration may come before its mail is enqueued.
        wait_until(lambda: len(self.rows()) == 5, 10, "five mails")

    def rows(self, query=""):
        return self.admin.call("GET", "/v1/admin/mails" + query, expect=200).json()["data"]

    def test_those_that_wait_are_listed_without_private_data(self):
        answer = self.admin.call("GET", "/v1/admin/mails", expect=200)
        page = answer.json()
        self.assertFalse(page["mail_server"])
        self.assertIsNone(page["next_cursor"])
        for row in page["data"]:
            self.assertEqual((row["state"], row["template"], row["attempts"]), ("waiting", "verify-email", 0))
            self.assertEqual(row["recipient"], "p***@s***.example")
        self.assertNotIn("person", answer.body.decode())
        self.assertEqual(len({row["id"] for row in page["data"]}), 5)

    def test_pages_show_each_once(self):
        for limit in (1, 2, 5):
            seen, cursor = [], ""
            while cursor is not None:
                page = self.admin.call("GET", f"/v1/admin/mails?limit={limit}{cursor}", expect=200).json()
                self.assertLessEqual(len(page["data"]), limit)
                seen += [row["id"] for row in page["data"]]
                cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
            self.assertEqual(sorted(seen), sorted(row["id"] for row in self.rows()))

    def test_states_are_told_apart(self):
        self.assertEqual(len(self.rows("?state=waiting")), 5)
        self.assertEqual(self.rows("?state=dead"), [])

    def test_wrong_questions_are_refused(self):
        for query in ("?state=gone", "?state=", "?limit=0", "?cursor=x", "?cursor=mail_x_1", "?other=1"):
            self.admin.call("GET", "/v1/admin/mails" + query, expect=422, code="validation_failed")

    def test_a_mail_is_sent_again_by_its_id(self):
        row = self.rows()[0]
        self.admin.call("POST", f"/v1/admin/mails/{row['id']}/replay", {}, key=new_key(), expect=202)
        self.admin.call("POST", f"/v1/admin/mails/{row['id']}/replay", {"now": True}, expect=422)

    def test_an_id_of_none_is_not_found(self):
        row = self.rows()[0]["id"]
        account = row[: row.rindex("_")]
        other = account[:-1] + ("0" if account[-1] != "0" else "1")
        for name in ("x", "mail_", row + "0", f"{account}_0", f"{account}_00000000000", f"{account}_00000000001",
                     f"{other}_00000000001", f"{account}_-0000000001", f"{account}_0000000001u",
                     f"{account}_", f"{account}_99999999999999999999"):
            self.admin.call("POST", f"/v1/admin/mails/{name}/replay", expect=404, code="not_found")

    def test_only_staff_may(self):
        for client, status in ((self.server.guest(), 403), (self.server.anonymous(), 401)):
            client.call("GET", "/v1/admin/mails", expect=status)
            client.call("POST", f"/v1/admin/mails/{self.rows()[0]['id']}/replay", expect=status)

    def test_metrics_count_them(self):
        text = self.admin.call("GET", "/metrics", expect=200).body.decode()
        self.assertIn("\nstampede_mails_waiting 5\n", text)
        self.assertIn("\nstampede_mails_dead 0\n", text)
        self.assertRegex(text, r"\nstampede_mails_oldest_seconds \d+\n")


if __name__ == "__main__":
    unittest.main()
