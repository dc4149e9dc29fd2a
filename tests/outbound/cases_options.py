# SPDX-License-Identifier: Apache-2.0
"""The server's own options of mail and payments: what is refused at the start, and what /metrics shows."""
import os
import signal
import subprocess
import urllib.request

from harness import Settings, scratch, wait_for


def start(*arguments, data=None):
    folder = data or scratch("store") / "data"
    return subprocess.Popen([Settings.server, "serve", "--data", str(folder), "--listen", "127.0.0.1:0",
                             "--shards", "1", "--holds-max", "1024", "--ballast-mb", "1", *map(str, arguments)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def refused(*arguments, data=None):
    process = start(*arguments, data=data)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and output == "", f"{arguments}: exit {process.returncode}: {errors}"
    return errors


def test_bad_options_of_mail_are_refused_with_a_line_that_helps():
    word = scratch("password") / "word"
    word.write_text("secret\n")
    os.chmod(word, 0o604)
    mail = ("--smtp-url", "smtp://127.0.0.1:25", "--mail-from", "shop@shop.test")
    cases = [
        (["--smtp-url", "http://x:25", "--mail-from", "a@b.co"], "smtp_url is"),
        (["--smtp-url", "smtp://me:word@x:25", "--mail-from", "a@b.co"], "smtp_url is"),
        (["--smtp-url", "smtp://x:25/path", "--mail-from", "a@b.co"], "smtp_url is"),
        (["--smtp-url", "smtp://x:99999", "--mail-from", "a@b.co"], "smtp_url is"),
        (["--smtp-url", "smtp://x:25"], "needs mail_from"),
        (["--mail-from", "nobody"], "mail_from is"),
        (["--public-url", "shop.test"], "public_url is"),
        (["--public-url", "https://shop.test/?a"], "public_url is"),
        (["--shop-name", "a\nb"], "shop_name"),
        ([*mail, "--smtp-user", "me"], "belong together"),
        ([*mail, "--smtp-user", "me", "--smtp-password-file", word, "--smtp-starttls", "off"], "in clear"),
        ([*mail, "--smtp-user", "me", "--smtp-password-file", word], "chmod"),
        ([*mail, "--smtp-user", "me", "--smtp-password-file", "/no/such"], "/no/such"),
        ([*mail, "--smtp-starttls", "perhaps"], "required|off"),
        (["--mail-templates", "/no/such"], "/no/such"),
        (["--mail-dir", "/no/such/folder"], "/no/such/folder"),
        (["--outbound-ca-file", "/no/such"], "/no/such"),
    ]
    for arguments, expected in cases:
        errors = refused(*arguments)
        lines = [line for line in errors.splitlines() if line.startswith("stampede: ")]
        assert len(lines) == 1 and expected in lines[0], f"{arguments}: {errors}"


def test_the_mail_folder_may_not_lie_in_the_data_folder():
    data = scratch("store") / "data"
    assert "lies in the data folder" in refused("--mail-dir", data / "mails", data=data)
    assert (data / "STAMPEDE").exists(), "a store was made; the mail folder was not"
    (data / "inside").mkdir()
    link = scratch("links") / "link"
    link.symlink_to(data / "inside")
    for folder in (data, data / "mails", data / "inside", data / "inside" / "new", data / "inside" / ".." / "mails",
                   link, link / "deeper", os.path.relpath(data / "mails")):
        assert "lies in the data folder" in refused("--mail-dir", folder, data=data), folder
        assert not (data / "mails").exists(), os.listdir(data)


def test_a_server_with_mail_serves_and_counts_it():
    beside = scratch("store")
    process = start("--mail-dir", beside / "data-mails", "--smtp-url", "smtps://mx.shop.test",
                    "--mail-from", "a@shop.test", "--shop-name", "Caf\u00e9", "--public-url", "https://shop.test/",
                    data=beside / "data")
    try:
        line = process.stdout.readline()
        assert line.startswith("ready http://"), line + process.stderr.read()
        key = (beside / "data" / "admin.key").read_text().strip()
        page = urllib.request.urlopen(urllib.request.Request(
            line.split()[1] + "/metrics", headers={"Authorization": f"Bearer {key}"}), timeout=10).read().decode()
        for name in ("mails_delivered_total", "mails_later_total", "jobs_waiting", "requests_refused_total"):
            assert f"\nstampede_outbound_{name} 0\n" in page, f"{name} is not in /metrics"
        assert (beside / "data-mails").is_dir()
    finally:
        process.send_signal(signal.SIGTERM)
        wait_for("end", lambda: process.poll() is not None)
    assert process.returncode == 0, process.stderr.read()


def secret_file(text, mode=0o600):
    path = scratch("secret") / "file"
    path.write_text(text)
    os.chmod(path, mode)
    return path


def test_bad_options_of_payments_are_refused_and_tell_no_secret():
    live, test = secret_file("sk_live_hidden\n"), secret_file("sk_test_hidden\n")
    here = ("--outbound-private", "on", "--stripe-base-url", "http://127.0.0.1:9")
    cases = [
        (["--stripe-secret-key-file", "/no/such"], "/no/such"),
        (["--stripe-secret-key-file", secret_file("sk_live_hidden\n", 0o604)], "chmod"),
        (["--stripe-secret-key-file", secret_file("\n")], "first line"),
        (["--stripe-secret-key-file", secret_file("sk live_hidden\n")], "stripe_secret_key_file"),
        (["--stripe-secret-key-file", live, "--stripe-confirm", "on"], "test key"),
        (["--stripe-secret-key-file", live, "--stripe-webhook-secrets-file", "/no/such"], "/no/such"),
        (["--stripe-secret-key-file", live, "--stripe-webhook-secrets-file", secret_file("whsec_hidden", 0o604)],
         "chmod"),
        (["--stripe-secret-key-file", live, "--stripe-webhook-secrets-file", secret_file("whsec_hidden\na b\n")],
         "line 2"),
        (["--stripe-secret-key-file", live, "--stripe-webhook-secrets-file", secret_file("w_hidden\n" * 9)], "line 9"),
        (["--stripe-secret-key-file", test, *here[2:]], "outbound_private"),
        (["--stripe-secret-key-file", test, "--stripe-base-url", "http://gateway.test"], "in clear"),
    ]
    for arguments, expected in cases:
        errors = refused(*arguments)
        lines = [line for line in errors.splitlines() if line.startswith("stampede: ")]
        assert len(lines) == 1 and expected in lines[0] and "hidden" not in errors, f"{arguments}: {errors}"


def test_a_server_with_stripe_serves_and_shows_no_secret():
    beside = scratch("store")
    process = start("--stripe-secret-key-file", secret_file("sk_live_hidden\n"), "--stripe-webhook-secrets-file",
                    secret_file("whsec_hidden\n\nwhsec_hidden_too\n"), data=beside / "data")
    try:
        line = process.stdout.readline()
        assert line.startswith("ready http://"), line + process.stderr.read()
        key = (beside / "data" / "admin.key").read_text().strip()
        page = urllib.request.urlopen(urllib.request.Request(
            line.split()[1] + "/metrics", headers={"Authorization": f"Bearer {key}"}), timeout=10).read().decode()
        for provider in ("sandbox", "stripe"):
            assert f'\nstampede_gateway_mismatches_total{{provider="{provider}"}} 0\n' in page, page
        command = open(f"/proc/{process.pid}/cmdline", encoding="utf-8").read()
        environment = open(f"/proc/{process.pid}/environ", encoding="utf-8").read()
    finally:
        process.send_signal(signal.SIGTERM)
        wait_for("end", lambda: process.poll() is not None)
    errors = process.stderr.read()
    assert process.returncode == 0, errors
    assert "hidden" not in page + command + environment + errors
    for folder, _, names in os.walk(beside / "data"):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert b"_hidden" not in file.read(), name
