# SPDX-License-Identifier: Apache-2.0
"""The store below a server: a full disk, a lost log, repair, backup and restore."""
import glob
import os
import re
import shutil
import subprocess
import time
import unittest

import harness
from harness import Server, new_key, run_cli


class StorageFull(unittest.TestCase):
    """With less free disk than the low-water mark (here: more than any disk has), only new obligations are refused."""

    def test_new_holds_are_refused_and_old_ones_end_well(self):
        server = Server()
        self.addCleanup(server.kill)
        sku = server.admin().create_sku(stock=5)
        guest = server.guest()
        guest.hold(sku)
        other = guest.hold(sku)
        third = guest.hold(sku)
        guest.close()
        server.stop()
        server.flags = ["--low-water-mb", "16000000"]
        server.restart()
        response = guest.reserve(sku, expect=503, code="storage_full")
        self.assertRegex(response.header("retry-after"), r"^[1-9]\d*$")
        self.assertEqual(guest.available(sku), 2)
        guest.reservation(other["id"], expect=200)
        guest.release(other["id"], expect=204)
        admin = server.admin()
        admin.convert(third["id"], expect=200)
        books = admin.inventory(sku)
        self.assertEqual((books["available"], books["reserved"], books["sold"]), (3, 1, 1))
        guest.close()
        admin.close()
        server.stop()
        server.flags = []
        server.restart()
        guest.reserve(sku, 3, expect=201)


    def test_a_key_that_has_its_hold_is_answered(self):
        server = Server()
        self.addCleanup(server.kill)
        sku = server.admin().create_sku(stock=5)
        guest, key = server.guest(), new_key()
        first = guest.reserve(sku, key=key, expect=201)
        guest.close()
        server.stop()
        server.flags = ["--low-water-mb", "16000000"]
        server.restart()
        self.assertEqual(guest.reserve(sku, key=key, expect=201).body, first.body)


class Watermark(unittest.TestCase):
    def test_lost_write_ahead_log_is_refused_not_served(self):
        server = Server()
        sku = server.admin().create_sku(stock=50)
        guest = server.guest()
        for _ in range(20):
            guest.hold(sku)
        time.sleep(0.5)  # the watermark lags by 100 ms at most
        server.kill()
        logs = [
            path
            for path in glob.glob(server.data + "/**/*.log", recursive=True)
            if re.fullmatch(r"\d+\.log", os.path.basename(path))
        ]
        self.assertTrue(logs, "there is a write-ahead log to lose")
        for path in logs:
            os.remove(path)
        done = subprocess.run(
            [harness.SETTINGS.binary, "serve", "--data", server.data, "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertNotIn("ready http", done.stdout)
        self.assertIn("repair", done.stderr)
        self.assertEqual(server.check().returncode, 1)

        # It opens again by an operator's word only, and says what that word costs.
        done = run_cli("repair", "--data", server.data)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("--accept-loss", done.stdout + done.stderr)
        self.assertEqual(server.check().returncode, 1, "asking changes nothing")
        done = run_cli("repair", "--data", server.data, "--accept-loss")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        server.restart()
        server.anonymous().call("GET", "/readyz", expect=200)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.check().returncode, 0)

    def test_repair_of_a_sound_store_leaves_it_alone(self):
        server = Server()
        sku = server.admin().create_sku(stock=50)
        guest = server.guest()
        guest.hold(sku)
        guest.close()
        server.stop()
        done = run_cli("repair", "--data", server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        server.restart()
        self.assertEqual(guest.available(sku), 49)
        server.stop()


class Backup(unittest.TestCase):
    def test_a_served_store_is_backed_up_and_restored(self):
        server = Server()
        self.addCleanup(server.kill)
        sku = server.admin().create_sku(stock=50)
        guest = server.guest()
        holds = [guest.hold(sku)["id"] for _ in range(10)]
        backup = harness.fresh_path("backup")
        done = run_cli("backup", backup, "--data", server.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^backup: ok commit \d+, state [0-9a-f]{16}, ")
        later = guest.hold(sku)["id"]
        restored = harness.fresh_path("restored")
        refused = run_cli("restore", backup, "--data", server.data)
        self.assertEqual(refused.returncode, 2, refused.stdout)
        self.assertIn("there is a store", refused.stderr)
        done = run_cli("restore", backup, "--data", restored)
        self.assertEqual(done.returncode, 0, done.stderr)
        server.stop()

        # The vault's key is in no backup; without it nothing is served, and which one it is is said.
        needed = re.search(r"needs the vault key ([0-9a-f]{16})", done.stdout).group(1)
        for folder in backup, restored:
            self.assertTrue(os.path.exists(os.path.join(folder, "vault")))
            self.assertFalse(os.path.exists(os.path.join(folder, "vault.key")))
        refused = run_cli("serve", "--data", restored, "--listen", "127.0.0.1:0")
        self.assertEqual(refused.returncode, 2, refused.stdout)
        self.assertIn(f"sealed with the vault key {needed}", refused.stderr)
        key = os.path.join(server.data, "vault.key")
        self.assertEqual(os.stat(key).st_mode & 0o7777, 0o600)
        shutil.copy(key, restored)

        # The same sessions and IDs, but for what came after; and its ID is not given to another.
        server.data = restored
        server.restart()
        for hold in holds:
            self.assertEqual(guest.reservation(hold, expect=200).json()["status"], "held")
        guest.reservation(later, expect=404)
        self.assertEqual(guest.available(sku), 40)
        self.assertNotIn(guest.hold(sku)["id"], [*holds, later])
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.check().returncode, 0)

    def test_another_vault_key_is_refused_by_name(self):
        server = Server()
        server.stop()
        key = os.path.join(server.data, "vault.key")
        with open(key, encoding="ascii") as handle:
            current = re.search(r"^current ([0-9a-f]{64})$", handle.read(), re.MULTILINE).group(1)
        other = harness.fresh_path("vault.key")

        def give(text):
            with open(os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as handle:
                handle.write(text)

        give(f"current {'5a' * 32}\n")
        refused = run_cli("serve", "--data", server.data, "--listen", "127.0.0.1:0", "--vault-key-file", other)
        self.assertEqual(refused.returncode, 2, refused.stdout)
        self.assertRegex(refused.stderr, r"holds the vault key [0-9a-f]{16}, but .* is sealed with [0-9a-f]{16}: give")
        # A rotation: both keys once, then the new one alone; the old one is of no use any more.
        os.unlink(key)
        for text in f"current {'5a' * 32}\nprevious {current}\n", f"current {'5a' * 32}\n":
            give(text)
            rotated = Server("--vault-key-file", other, data=server.data)
            rotated.stop()
        give(f"current {current}\n")
        refused = run_cli("serve", "--data", server.data, "--listen", "127.0.0.1:0", "--vault-key-file", other)
        self.assertEqual(refused.returncode, 2, refused.stdout)

    def test_a_damaged_backup_is_said_to_be_one(self):
        server = Server()
        backup = harness.fresh_path("backup")
        server.stop()
        self.assertEqual(run_cli("backup", backup, "--data", server.data).returncode, 0)
        with open(os.path.join(backup, "secret.key"), "r+b") as handle:
            handle.write(b"x")
        done = run_cli("restore", backup, "--data", harness.fresh_path("restored"))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("secret.key is not what was backed up", done.stderr)
