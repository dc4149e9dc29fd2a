# SPDX-License-Identifier: Apache-2.0
"""Composing, read back by Python's email package; templates."""
import email
import email.policy
import random
import subprocess
from email.utils import parsedate_to_datetime
from pathlib import Path

from harness import Settings, run_driver, scratch

DATA = Path(__file__).resolve().parents[2] / "data" / "mails"
WALL_MS = 1700000000123


def compose(identity="out_1", name="Aurora", sender="shop@shop.test", recipient="ann@shop.test", subject="Hello",
            text="Hello.\n", html=None, wall_ms=WALL_MS):
    """The message's bytes, or None where it was refused."""
    folder = scratch("compose")
    (folder / "text").write_bytes(text if isinstance(text, bytes) else text.encode())
    page = "-"
    if html is not None:
        page = folder / "html"
        page.write_bytes(html if isinstance(html, bytes) else html.encode())
    done = run_driver("compose", identity, wall_ms, name, sender, recipient, subject, folder / "text", page)
    assert done.returncode in (0, 3), done.stderr
    return done.stdout if done.returncode == 0 else None


def parse(message):
    for line in message.split(b"\r\n"):
        assert b"\r" not in line and b"\n" not in line, f"a bare CR or LF: {line!r}"
        assert len(line) <= 78 or line.startswith((b"From:", b"To:", b" <", b"Message-ID:")), f"a long line: {line!r}"
        assert line.isascii(), f"a byte beyond ASCII: {line!r}"
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert not parsed.defects, parsed.defects
    for part in parsed.walk():
        assert not part.defects, part.defects
    return parsed


def bodies(parsed):
    return [part.get_content().replace("\r\n", "\n") for part in parsed.walk() if not part.is_multipart()]


def test_a_mail_reads_back_as_it_was_written():
    text, html = "Caf\u00e9 = gut.\n.\n..\nFrom here\n\ttab \nend  \n", "<p>Caf\u00e9 &amp; \u2603</p>\n"
    parsed = parse(compose(name="Caf\u00e9 \u201cAurora\u201d", subject="Gr\u00fc\u00dfe \u2603", text=text, html=html))
    assert parsed["Subject"] == "Gr\u00fc\u00dfe \u2603", parsed["Subject"]
    assert parsed["From"].addresses[0].display_name == "Caf\u00e9 \u201cAurora\u201d"
    assert parsed["From"].addresses[0].addr_spec == "shop@shop.test"
    assert parsed["To"].addresses[0].addr_spec == "ann@shop.test"
    assert parsed["Message-ID"] == "<out_1@shop.test>", parsed["Message-ID"]
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(parsed["Date"]).timestamp() == WALL_MS // 1000
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert bodies(parsed) == [text, html], bodies(parsed)


def test_a_mail_of_text_alone_has_one_part():
    parsed = parse(compose(text="Only text.\n"))
    assert parsed.get_content_type() == "text/plain" and bodies(parsed) == ["Only text.\n"]


def test_the_same_mail_is_the_same_bytes():
    assert compose(html="<p>x</p>") == compose(html="<p>x</p>")


def test_random_mails_read_back_as_they_were_written():
    seed = random.randrange(1 << 32)
    generator = random.Random(seed)
    letters = "ab =?_.\u00e9\u00df\u2603\U0001f600\"\\<>,;:@()-'#"

    def words(most, extra=""):
        return "".join(generator.choice(letters + extra) for _ in range(generator.randrange(most)))

    for _ in range(150):
        name, subject = words(20).strip(), words(45)
        text, html = words(400, "\n\n\t "), words(400, "\n\n\t ")
        message = compose(name=name, subject=subject, text=text, html=html)
        assert message is not None, f"seed {seed}: refused {name!r} {subject!r}"
        parsed = parse(message)
        got = (parsed["From"].addresses[0].display_name, str(parsed["Subject"]))
        # This parser makes one blank of several in a name, and drops those at a header's ends.
        wanted = " ".join(name.split()), subject.strip()
        assert (" ".join(got[0].split()), got[1].strip()) == wanted, f"seed {seed}: {got} for {(name, subject)}"
        parts = [part.rstrip("\n") for part in bodies(parsed)] if html else [bodies(parsed)[0].rstrip("\n")]
        expected = [text.rstrip("\n"), html.rstrip("\n")] if html else [text.rstrip("\n")]
        assert parts == expected, f"seed {seed}: {parts} for {expected}"


def test_long_lines_and_large_texts_are_carried():
    for text in ("x" * 5000, "\u2603" * 10000, "= " * 4000, "\n" * 32768, ("\u2603\n" * 8192)):
        assert bodies(parse(compose(text=text)))[0].rstrip("\n") == text.rstrip("\n")
    assert compose(text="x" * 65536) is not None
    assert compose(text="x" * 65537) is None
    assert compose(subject="x" * 200) is not None and compose(subject="x" * 201) is None
    assert compose(name="x" * 100) is not None and compose(name="x" * 101) is None


def test_no_value_adds_a_header():
    for bad in ("a\r\nBcc: all@shop.test", "a\nBcc: x@shop.test", "a\rb", "a\x0bb", "a\x7fb", "a\u0085b", "a\u2028b"):
        assert compose(subject=bad) is None, f"subject {bad!r}"
        assert compose(name=bad) is None, f"name {bad!r}"
        assert compose(recipient=bad + "@shop.test") is None, f"recipient {bad!r}"
        assert compose(recipient="ann@shop.test" + bad[1:]) is None, f"recipient's domain {bad!r}"
        assert compose(sender=bad + "@shop.test") is None, f"sender {bad!r}"
    for bad in ("", "a b", "a>b", "a\r\nb", "x" * 65, "a@b", "../a", "a.b"):
        assert compose(identity=bad) is None, f"ID {bad!r}"
    for bad in (b"a\xffb", b"a\xc0\xafb", b"a\xed\xa0\x80b", b"a\x00b"[:1] + b"\xf5", b"a\rb", b"\x1b[31m"):
        assert compose(text=bad) is None, f"text {bad!r}"
        assert compose(text="x", html=bad) is None, f"HTML {bad!r}"
    assert compose(wall_ms=-1) is None


def test_addresses():
    good = ["a@b.co", "ann.o'neil+tag@shop.example", "x" * 64 + "@b.co",
            "j\u00f6rg@b\u00fccher.example", "a@" + ".".join(["x" * 63] * 2 + ["x" * 60]), "!#$%&*+-/=?^_`{|}~@b.co",
            "1@1.co", "a@xn--bcher-kva.example"]
    bad = ["", "a", "@", "a@", "@b.co", "a@b", "a@@b.co", "a@b@c.co", "a b@c.co", "a@b c.co", ".a@b.co", "a.@b.co",
           "a..b@b.co", "x" * 65 + "@b.co", "a@" + "x" * 64 + ".co", "a@-b.co", "a@b-.co", "a@b..co", "a@.b.co",
           "a@b.co.", "a@1.2.3.4", "a@[1.2.3.4]", '"a b"@b.co', "a,b@b.co", "a<b@b.co", "a>b@b.co", "a(b)@b.co",
           "a;b@b.co", "a:b@b.co", "a\\b@b.co", "a@b_c.co", "a@b/c.co", "a\t@b.co", "a@b.co\n",
           "a@b.co\r\nRCPT TO:<x@y.co>",
           "a@" + ".".join(["x" * 62] * 4) + ".co", "a@b\u2028c.co", "a@b\u00a0.co"[:3] + "\x80.co"]
    for address in good:
        assert compose(recipient=address, text="x") is not None, f"refused: {address!r}"
    for address in bad:
        assert compose(recipient=address) is None, f"taken: {address!r}"


# ---- templates -----------------------------------------------------------------------------------------------------

VALUES = {"shop_name": "Tom & \"Jerry's\" <b>", "public_url": "https://shop.test/?a=1&b=2",
          "link": "https://shop.test/v#t", "valid_for": "60 minutes", "new_email": "a***@shop.test", "role": "orders",
          "order": "ord_1", "contact": "shop@shop.test", "subtotal": "20.00 EUR", "discount": "", "coupon": "",
          "shipping": "0.00 EUR", "shipping_method": "Post", "tax": "", "tax_included": "1.50 EUR", "total": "20.00 EUR",
          "refund": "5.00 EUR", "refunded": "", "refunded_in_full": "", "carrier": "Post", "tracking": "T1",
          "tracking_url": ""}
ROWS = ["title=Shoe <42>", "quantity=2", "unit_price=5.00 EUR", "line_total=10.00 EUR", "title=Hat", "quantity=1",
        "unit_price=10.00 EUR", "line_total=10.00 EUR", "address_line=Ann", "address_line=Lane 1"]


def render(folder, kind, values=None):
    done = run_driver("render", folder, kind, *(f"{name}={text}" for name, text in (values or VALUES).items()), *ROWS)
    return done.returncode, done.stdout.decode()


def test_every_built_in_mail_is_rendered():
    kinds = sorted(path.stem for path in DATA.glob("*.txt"))
    assert kinds == sorted(path.stem for path in DATA.glob("*.html")) and len(kinds) >= 7, kinds
    for kind in kinds:
        code, output = render("-", kind)
        subject, text, html = output.split("\0")
        assert code == 0 and subject and text and html, f"{kind}: {output}"
        assert "{{" not in output and VALUES["shop_name"] in subject and "\n" not in subject, f"{kind}: {output}"
        assert VALUES["shop_name"] in text and VALUES["public_url"] in text, f"{kind}: {text}"
        assert "Tom &amp; &quot;Jerry&#39;s&quot; &lt;b&gt;" in html and "<b>" not in html, f"{kind}: {html}"


def test_a_value_cannot_leave_its_place():
    hostile = {**VALUES, "role": "x\r\ny\n\n{{link}}", "shop_name": "a\nBcc: b"}
    code, output = render("-", "staff-invitation", hostile)
    subject, text, html = output.split("\0")
    assert code == 0 and "\n" not in subject and "a Bcc: b" in subject, subject
    assert "x  y  {{link}}" in text and "x  y  {{link}}" in html, text


def changed(name, text):
    folder = scratch("templates")
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_a_shop_replaces_one_text_and_keeps_the_others():
    folder = changed("verify-email.txt", "Subject: Salut de {{shop_name}}\r\n\r\nIci\u00a0: {{link}}\r\n")
    code, output = render(folder, "verify-email")
    expected = ["Salut de " + VALUES["shop_name"], "Ici\u00a0: https://shop.test/v#t\n"]
    assert code == 0 and output.split("\0")[:2] == expected, output
    assert output.split("\0")[2] == render("-", "verify-email")[1].split("\0")[2]
    assert render(folder, "reset-password") == render("-", "reset-password")


def test_sections_are_written_for_what_there_is():
    body = ("{{#lines}}\n{{quantity}} {{title}}{{#discount}} !{{/discount}}\n{{/lines}}\n"
            "{{#discount}}\noff {{discount}}\n{{/discount}}\nx{{#tax}}y{{/tax}}z\n  {{#address}}  \n> {{address_line}}\n"
            "{{/address}}")
    folder = changed("order-confirmed.txt", "Subject: {{order}}{{#tax}}, {{tax}}{{/tax}}\n\n" + body)
    code, output = render(folder, "order-confirmed")
    assert (code, output.split("\0")[:2]) == (0, ["ord_1", "2 Shoe <42>\n1 Hat\nxz\n> Ann\n> Lane 1\n"]), output
    code, output = render(folder, "order-confirmed", {**VALUES, "discount": "1", "tax": "2"})
    assert (code, output.split("\0")[:2]) == (0, [
        "ord_1, 2", "2 Shoe <42> !\n1 Hat !\noff 1\nxyz\n> Ann\n> Lane 1\n"]), output


def test_a_broken_section_is_refused_by_name():
    head = "Subject: x\n\n"
    cases = [
        ("{{#lines}}\n{{title}}", ["line 3", "{{#lines}} has no end"]),
        ("{{#lines}}{{/discount}}", ["{{/discount}} ends nothing"]),
        ("{{/lines}}", ["{{/lines}} ends nothing"]),
        ("{{title}}", ["{{title}} is nothing"]),
        ("{{#lines}}{{address_line}}{{/lines}}", ["{{address_line}} is nothing"]),
        ("{{#lines}}{{#address}}{{/address}}{{/lines}}", ["within another list"]),
        ("{{lines}}", ["{{lines}} is nothing"]),
        ("{{#tracking}}{{/tracking}}", ["{{#tracking}} is nothing"]),
        ("{{#tax}}" * 5 + "{{/tax}}" * 5, ["within too many"]),
        ("{{# tax}}{{/ tax}}", ["{{# tax}}"]),
        ("{{#}}", ["{{#}}"]),
    ]
    for text, expected in cases:
        code, output = render(changed("order-confirmed.txt", head + text), "order-confirmed")
        assert code == 3 and all(part in output for part in ["order-confirmed.txt", *expected]), f"{text}: {output}"
    code, output = render(changed("verify-email.html", "{{#lines}}{{/lines}}"), "verify-email")
    assert code == 3 and "verify-email.html" in output, output


def test_a_broken_template_is_refused_by_name():
    head = "Subject: x\n\n"
    cases = [
        ("verify-email.txt", head + "a\n{{lnik}}\n", ["verify-email.txt", "line 4", "{{lnik}}"]),
        ("verify-email.txt", "Subject: {{role}}\n\nx", ["verify-email.txt", "line 1", "{{role}}"]),
        ("verify-email.html", "<p>\n{{new_email}}", ["verify-email.html", "line 2", "{{new_email}}"]),
        ("verify-email.txt", head + "{{ link }}", ["{{ link }}"]),
        ("verify-email.txt", head + "{{link\n}}", ["line 3", "no \"}}\""]),
        ("verify-email.txt", "Hello\n\n", ["line 1", "Subject: "]),
        ("verify-email.txt", "Subject: x\nHello\n", ["line 1", "blank line"]),
        ("verify_email.txt", head, ["verify_email.txt", "the text of no mail"]),
        ("verify-email.txt", head.encode() + b"\xff", ["verify-email.txt", "UTF-8"]),
        ("verify-email.txt", head.encode() + b"\0", ["verify-email.txt", "UTF-8"]),
        ("verify-email.html", "x" * 40000, ["verify-email.html", "32768"]),
    ]
    for name, text, expected in cases:
        code, output = render(changed(name, text), "verify-email")
        assert code == 3 and all(part in output for part in expected), f"{name} {text[:40]!r}: {code} {output}"
    assert "cannot read" in render("/no/such/folder", "verify-email")[1]


def test_the_program_needs_no_file_of_the_tree():
    """The texts are in the program: it renders them where data/mails cannot be seen."""
    folder = scratch("elsewhere")
    done = subprocess.run([Settings.driver, "render", "-", "verify-email"] + [f"{n}={t}" for n, t in VALUES.items()],
                          cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0 and (DATA / "verify-email.txt").read_text().split("\n")[2][:10].encode() in done.stdout
