"""A plan is sent after it was approved, exactly as it was approved, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import etl
from approvals import Desk, line_of, needs_keygen, new_key, sign
from etl.files import sha256_of
from etl.jobs.prune import older_than, prune
from etl.manifest import Approval, Seal
from etl.runs.folder import RunsFolder
from etl.runs.listing import entries
from etl.runs.lock import locked
from program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.manifest import Plan
    from etl.sandbox.server import Sandbox

PHONE = "+97455512345"
ROWS = [("1001", "sara@example.com", PHONE), ("1002", "omar@example.com", PHONE)]
ALWAYS = {"approval": "always"}


@pytest.fixture
def desk(
    tmp_path: Path,
    sandbox: Sandbox,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """A folder, a configuration and a sandbox; every plan must be approved."""
    monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)
    return Desk(tmp_path, sandbox, capfd, dict(ALWAYS))


@pytest.fixture
def waiting(desk: Desk) -> Desk:
    """The same with a run that waits for approval."""
    code, _ = desk.run("plan", desk.clients(ROWS))
    assert (code, desk.sent) == (4, 0)
    return desk


@pytest.fixture
def sara(desk: Desk) -> Path:
    """The key of Sara, who is the only one who may sign."""
    key = new_key(desk.folder, "sara")
    (desk.folder / "signers").write_text(line_of(key, "sara@example.com"), encoding="ascii")
    desk.guard["signers"] = str(desk.folder / "signers")
    return key


def update(desk: Desk) -> tuple[int, str]:
    """Update the file again."""
    return desk.run("update", desk.folder / "clients.csv")


def verify(desk: Desk) -> list[str]:
    """Return what is wrong with the run, by a verification of all."""
    return [str(each) for each in etl.verify(desk.settings).problems]


def edit_journal(desk: Desk, statement: str) -> None:
    """Change the journal of the run behind the program's back."""
    with closing(sqlite3.connect(desk.path / "journal.sqlite3")) as db:
        assert db.execute(statement).rowcount > 0
        db.commit()


def seal_again(desk: Desk, *, plan: Plan | None = None, approvals: Sequence[Approval] = ()) -> None:
    """Replace entries of the manifest by somebody who seals it afresh, so that all hashes fit."""
    manifest = desk.manifest
    manifest = replace(
        manifest,
        sealed=None,
        sealed_as=None,
        plan=plan or manifest.plan,
        approvals=tuple(approvals) or manifest.approvals,
    )
    files = {
        name: sha256_of(desk.path / name) for name in manifest.files if (desk.path / name).exists()
    }
    manifest.seal(manifest.previous, files).write(desk.path / "manifest.json")


# Approving


def test_a_plan_is_sent_after_it_was_approved(waiting: Desk) -> None:
    """Plan, approve, update: the approval alone lets the same plan go."""
    assert update(waiting)[0] == 4
    assert waiting.sent == 0
    code, printed = waiting.run("approve", "latest", "--note", "checked with Omar")
    assert code == 0
    assert f"Run {waiting.path.name} is approved: 2 rows to change." in printed
    assert verify(waiting) == []
    code, printed = update(waiting)
    assert (code, waiting.sent) == (0, 2)
    assert verify(waiting) == []


def test_an_approval_records_who_when_where_and_what(waiting: Desk) -> None:
    """The manifest has the user, the host, the time, the plan's digest and the note."""
    approved = etl.approve("latest", waiting.settings, note="checked with Omar")
    (approval,) = waiting.manifest.approvals
    session = waiting.manifest.sessions[-1]
    assert approval == approved.approval
    assert (approval.user, approval.host) == (session.user, session.host)
    assert (approval.digest, approval.note) == (waiting.plan.digest, "checked with Omar")
    assert str(session.ended) <= approval.time
    assert (approval.signer, approval.key, approval.signature) == ("", "", "")


def test_an_approved_run_is_sealed_again_in_the_chain(waiting: Desk) -> None:
    """The approval is sealed after the newest seal of any run, and the old seal stays a link."""
    before = waiting.manifest
    assert waiting.run("approve", "latest")[0] == 0
    after = waiting.manifest
    assert [version.sha256 for version in after.earlier] == [before.sealed_as]
    assert after.previous == Seal(before.run, str(before.sealed_as))
    assert etl.verify(waiting.settings).newest_seal == Seal(after.run, str(after.sealed_as))


def test_the_report_says_who_approved(waiting: Desk) -> None:
    """Whoever opens the report sees the approval, and is no longer asked for one."""
    report = waiting.path / "report.html"
    assert "must be approved" in report.read_text(encoding="utf-8").split("<main")[0]
    waiting.run("approve", "latest", "--note", "<b>checked</b>")
    top, rest = report.read_text(encoding="utf-8").split("<main")
    assert "must be approved" not in top
    assert "to send exactly these changes" in top
    assert f" by {waiting.manifest.approvals[0].user} on " in rest
    assert "&lt;b&gt;checked&lt;/b&gt;" in rest


def test_show_gives_the_digest_and_the_approval(waiting: Desk) -> None:
    """Before and after the approval, `show` has the digest to sign, and then who approved it."""
    digest = waiting.plan.digest
    _, printed = waiting.run("show", "latest")
    assert digest in printed
    assert "approved" not in printed.split("sessions")[0]
    waiting.run("approve", "latest")
    _, printed = waiting.run("show", "latest")
    assert f"approved {waiting.manifest.approvals[0].time[:10]}" in printed
    _, printed = waiting.run("show", "latest", "--json")
    assert json.loads(printed)["plan"]["digest"] == digest


def test_plan_gives_the_digest_as_json(desk: Desk) -> None:
    """A program that asks for approvals elsewhere finds the digest in the plan's JSON."""
    _, printed = desk.run("plan", desk.clients(ROWS), "--json")
    assert json.loads(printed)["plan"] == {
        "digest": desk.plan.digest,
        "rows": 2,
        "fields": {"email": 2, "phone": 2},
        "emptying": 0,
        "emptied": {},
        "compared": 2,
    }


def test_approve_prints_json(waiting: Desk) -> None:
    """A program learns what was approved, and whether it was before."""
    for already in (False, True):
        code, printed = waiting.run("approve", "latest", "--json")
        facts = json.loads(printed)
        assert (code, facts["run"], facts["already"]) == (0, waiting.path.name, already)
        assert facts["approval"]["digest"] == facts["plan"]["digest"] == waiting.plan.digest


def test_a_run_that_is_approved_already_says_so(waiting: Desk) -> None:
    """Approving twice is harmless, and records one approval."""
    waiting.run("approve", "latest")
    sealed = waiting.manifest
    code, printed = waiting.run("approve", "latest")
    assert code == 0
    assert f"Run {waiting.path.name} is already approved: 20" in printed
    assert waiting.manifest == sealed


# Refusals


def test_a_run_without_a_plan_cannot_be_approved(desk: Desk) -> None:
    """A run that sent without looking has nothing to approve."""
    source = desk.clients(ROWS)
    settings = etl.load_settings(
        overrides={"api.url": desk.sandbox.url, "runs.dir": desk.folder / "runs"}
    )
    credentials = etl.read_credentials(os.environ)
    etl.update([source], settings, credentials, limit=1)
    code, printed = desk.run("approve", "latest")
    assert code == 2
    assert "has no plan" in printed


def test_a_plan_without_changes_cannot_be_approved(desk: Desk) -> None:
    """Where nothing changes there is nothing to approve."""
    desk.sandbox.store.edit(1001, email="sara@example.com", phone=PHONE)
    desk.run("plan", desk.clients(ROWS[:1]))
    code, printed = desk.run("approve", "latest")
    assert code == 2
    assert "changes nothing, so there is nothing to approve" in printed


def test_a_finished_run_cannot_be_approved(waiting: Desk) -> None:
    """Once everything is sent, an approval would come too late."""
    waiting.run("approve", "latest")
    update(waiting)
    code, printed = waiting.run("approve", "latest")
    assert code == 2
    assert "has no rows left to send" in printed


def test_a_run_that_was_killed_cannot_be_approved(waiting: Desk) -> None:
    """A run that did not end has no plan that somebody could have looked at."""
    manifest = waiting.manifest
    opened = manifest.reopened([]).begin_session(manifest.sessions[0].invocation, "", {})
    opened.write(waiting.path / "manifest.json")
    code, printed = waiting.run("approve", "latest")
    assert code == 2
    assert "has not finished" in printed


def test_an_unknown_run_cannot_be_approved(waiting: Desk) -> None:
    """A mistyped run is named."""
    code, printed = waiting.run("approve", "20200101")
    assert code == 2
    assert "there is no run “20200101”" in printed


def test_nobody_approves_while_another_run_uses_the_folder(waiting: Desk) -> None:
    """Approving waits for its turn like every change of a run: exit 75, nothing recorded."""
    sealed = waiting.manifest
    with locked(waiting.folder / "runs"):
        code, printed = waiting.run("approve", "latest")
    assert code == 75
    assert "another run is using" in printed
    assert waiting.manifest == sealed


def test_a_signature_needs_signers(waiting: Desk) -> None:
    """A signature that cannot be verified is not kept as if it had been."""
    code, printed = waiting.run("approve", "latest", "--signature", waiting.configuration)
    assert code == 2
    assert "without guard.signers" in printed


# Two persons


def test_with_two_persons_nobody_approves_their_own_plan(
    waiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made the plan is refused, and somebody else is not."""
    waiting.guard["two_persons"] = True
    maker = waiting.manifest.sessions[0].user
    code, printed = waiting.run("approve", "latest")
    assert code == 2
    assert f"{maker} made this plan, so somebody else must approve it" in printed
    monkeypatch.setenv("LOGNAME", "omar")
    assert waiting.run("approve", "latest")[0] == 0
    assert waiting.manifest.approvals[0].user == "omar"
    assert update(waiting)[0] == 0  # omar sends what he approved, but did not make


def test_with_two_persons_whoever_planned_again_made_the_plan(
    waiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user of any session before the approval has made the plan."""
    waiting.guard["two_persons"] = True
    monkeypatch.setenv("LOGNAME", "omar")
    update(waiting)
    assert waiting.run("approve", "latest")[0] == 2
    waiting.guard["two_persons"] = False
    assert waiting.run("approve", "latest")[0] == 0
    waiting.guard["two_persons"] = True
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "omar made this plan" in printed


def test_a_clock_that_is_late_makes_nobody_somebody_else(waiting: Desk) -> None:
    """By the clock of the host that approves, the plan is not made yet: its maker made it still."""
    waiting.guard["two_persons"] = True
    late = replace(Approval.now(waiting.plan.digest, ""), time="2020-01-01T00:00:00.000+00:00")
    waiting.manifest.reopened([]).approve(late).write(waiting.path / "manifest.json")
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "made this plan" in printed


def test_two_persons_hold_for_an_approval_with_other_settings(waiting: Desk) -> None:
    """An approval by whoever made the plan, with a configuration of their own, does not count."""
    assert waiting.run("approve", "latest")[0] == 0
    waiting.guard["two_persons"] = True
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "The approval does not count:" in printed
    assert "made this plan" in printed


@needs_keygen
def test_with_two_persons_the_signer_counts(waiting: Desk, sara: Path) -> None:
    """With signers it is the signer who approves: not the one who made the plan."""
    waiting.guard["two_persons"] = True
    maker = waiting.manifest.sessions[0].user
    signers = waiting.folder / "signers"
    signature = sign(sara, waiting.plan.digest)
    for own in (maker, f"{maker}@example.com"):
        signers.write_text(line_of(sara, own), encoding="ascii")
        code, printed = waiting.run("approve", "latest", "--signature", signature)
        assert code == 2
        assert f"{own} made this plan" in printed
    signers.write_text(line_of(sara, "sara@example.com"), encoding="ascii")
    assert waiting.run("approve", "latest", "--signature", signature)[0] == 0
    assert update(waiting)[0] == 0


# The plan changes


def test_a_changed_row_is_not_sent(waiting: Desk) -> None:
    """A body that was changed in the journal after the approval is not sent."""
    waiting.run("approve", "latest")
    edit_journal(waiting, "UPDATE rows SET body = replace(body, 'sara@', 'eve@') WHERE row = 2")
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "The plan has changed since it was approved." in printed


def test_a_changed_before_image_is_not_sent(waiting: Desk) -> None:
    """A reading that was changed in the journal after the approval: nothing is sent."""
    waiting.run("approve", "latest")
    edit_journal(
        waiting, 'UPDATE readings SET client = replace(client, \'"name":"\', \'"name":"x\')'
    )
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "The plan has changed since it was approved." in printed


def test_a_plan_in_a_changed_journal_cannot_be_approved(waiting: Desk) -> None:
    """Nobody approves something else than what the sealed manifest and the report say."""
    edit_journal(waiting, "UPDATE rows SET body = replace(body, 'sara@', 'eve@') WHERE row = 2")
    code, printed = waiting.run("approve", "latest")
    assert code == 4
    update(waiting)  # this session takes the journal as it is, and seals the run again
    assert waiting.run("approve", "latest")[0] == 4
    assert "was modified since its plan was made" in printed
    assert waiting.manifest.approvals == ()


def test_a_client_that_changes_after_the_approval_is_not_overwritten(waiting: Desk) -> None:
    """A client that somebody changed is a conflict; its new plan needs an approval of its own."""
    waiting.run("approve", "latest")
    waiting.sandbox.store.edit(1001, name="Sara Al-Kuwari")
    source = waiting.folder / "clients.csv"
    settings = waiting.settings
    fresh = settings.model_copy(update={"load": settings.load.model_copy(update={"fresh": 0.0})})
    credentials = etl.read_credentials(os.environ)
    (summary,) = etl.update([source], fresh, credentials)
    assert summary.totals.counts[etl.Status.CONFLICT] == 1
    assert waiting.sent == 1
    (summary,) = etl.update([source], settings, credentials)
    assert waiting.sent == 1
    assert "The plan has changed since it was approved." in summary.sentence
    assert waiting.run("approve", "latest")[0] == 0
    assert update(waiting)[0] == 0
    assert (waiting.sent, len(waiting.manifest.approvals)) == (2, 2)
    assert verify(waiting) == []


def test_an_approval_holds_until_the_whole_plan_is_sent(waiting: Desk) -> None:
    """What was sent of an approved plan changes neither the plan nor its approval."""
    waiting.run("approve", "latest")
    code, _ = waiting.run("update", waiting.folder / "clients.csv", "--limit", 1)
    assert (code, waiting.sent) == (4, 1)
    code, _ = update(waiting)
    assert (code, waiting.sent) == (0, 2)
    assert verify(waiting) == []


def test_the_approval_of_another_run_does_not_count(waiting: Desk) -> None:
    """The same rows in another run have another digest: an approval cannot be reused."""
    waiting.run("approve", "latest")
    first = waiting.manifest
    store = waiting.sandbox.store
    before = [store.get(int(client)) for client, *_ in ROWS]
    code, _ = waiting.run("update", waiting.folder / "clients.csv")
    assert code == 0
    for client in before:
        store.put(client)
    assert waiting.run("plan", waiting.folder / "clients.csv", "--again")[0] == 4
    second = max((waiting.folder / "runs").glob("2*"))
    path = second / "manifest.json"
    manifest = type(first).read(path)
    assert manifest.plan is not None
    assert first.plan is not None
    assert manifest.plan.digest != first.plan.digest
    manifest.reopened([]).approve(first.approvals[0]).write(path)
    sent = waiting.sent
    code, printed = waiting.run("update", waiting.folder / "clients.csv")
    assert (code, waiting.sent) == (4, sent)
    assert "The plan has changed since it was approved." in printed


# Killed


def test_an_approval_that_was_killed_is_finished(waiting: Desk) -> None:
    """Killed after the approval was recorded: approving again rewrites the report and seals."""
    opened = waiting.manifest.reopened([]).approve(Approval.now(waiting.plan.digest, "first"))
    opened.write(waiting.path / "manifest.json")
    assert verify(waiting) != []
    code, printed = waiting.run("approve", "latest", "--note", "second")
    assert code == 0
    assert "is already approved" in printed
    assert verify(waiting) == []
    assert [approval.note for approval in waiting.manifest.approvals] == ["first"]
    assert "Note: “first”" in (waiting.path / "report.html").read_text(encoding="utf-8")


def test_an_approval_that_was_killed_counts(waiting: Desk) -> None:
    """Killed after the approval was recorded: the update sends, and seals the run."""
    opened = waiting.manifest.reopened([]).approve(Approval.now(waiting.plan.digest, "first"))
    opened.write(waiting.path / "manifest.json")
    assert update(waiting)[0] == 0
    assert waiting.sent == 2
    assert verify(waiting) == []


@pytest.mark.slow
def test_an_update_that_was_killed_keeps_its_approval(waiting: Desk) -> None:
    """Killed between the approval and the end of the update: the next one sends the rest."""
    waiting.run("approve", "latest")
    program = Program(waiting.folder, {"FATORA_API_KEY": waiting.sandbox.api_key})
    arguments = ("update", "clients.csv", "--config", waiting.configuration)
    for pause in (0.2, 0.5, 0.7, 0.9):
        process = program.start(*arguments)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert update(waiting)[0] == 0
    assert waiting.sandbox.store.get(1001).email == "sara@example.com"
    assert len(waiting.manifest.approvals) == 1
    assert verify(waiting) == []


# Signatures


@needs_keygen
def test_the_sentence_has_the_commands_that_sign_and_approve(desk: Desk, sara: Path) -> None:
    """Whoever copies the two commands of the sentence has approved the run."""
    _, printed = desk.run("update", desk.clients(ROWS))
    sign_it = f"echo {desk.plan.digest} | ssh-keygen -Y sign -n fatora-clients -f ~/.ssh/id_ed25519"
    assert f"“{sign_it} > plan.sig”" in printed
    approve = f"approve {desk.path.name} --config {desk.configuration} --signature plan.sig"
    assert f"“fatora-clients {approve}”" in printed
    assert desk.run("approve", "latest", "--signature", sign(sara, f"{desk.plan.digest}\n"))[0] == 0


@needs_keygen
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_signed_plan_is_sent(waiting: Desk, sara: Path, end: str) -> None:
    """A signature of the digest lets the plan go, with a line end or without."""
    signature = sign(sara, waiting.plan.digest + end)
    assert waiting.run("approve", "latest", "--signature", signature)[0] == 0
    (approval,) = waiting.manifest.approvals
    assert approval.signer == "sara@example.com"
    assert approval.key == line_of(sara, "sara@example.com")
    assert approval.signature == signature.read_text(encoding="ascii")
    assert update(waiting)[0] == 0
    assert (waiting.sent, verify(waiting)) == (2, [])
    _, printed = waiting.run("show", "latest")
    assert "signed by sara@example.com" in printed


@needs_keygen
def test_without_a_signature_a_plan_is_not_approved(waiting: Desk, sara: Path) -> None:
    """Where signers are set, only a signature counts, and the command that makes one is named."""
    assert sara.exists()
    code, printed = waiting.run("approve", "latest")
    assert code == 2
    assert f"echo {waiting.plan.digest} | ssh-keygen -Y sign" in printed
    assert waiting.manifest.approvals == ()


@needs_keygen
def test_an_approval_from_before_signers_were_set_does_not_count(waiting: Desk) -> None:
    """An approval without a signature, by other settings, lets nothing go, and can be followed."""
    assert waiting.run("approve", "latest")[0] == 0
    key = new_key(waiting.folder, "sara")
    (waiting.folder / "signers").write_text(line_of(key, "sara"), encoding="ascii")
    waiting.guard["signers"] = str(waiting.folder / "signers")
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "gave no signature" in printed
    signature = sign(key, waiting.plan.digest)
    assert waiting.run("approve", "latest", "--signature", signature)[0] == 0
    assert update(waiting)[0] == 0


@needs_keygen
def test_a_key_that_may_not_sign_is_refused(waiting: Desk, sara: Path) -> None:
    """The signature of a stranger counts for nothing."""
    assert sara.exists()
    signature = sign(new_key(waiting.folder, "eve"), waiting.plan.digest)
    code, printed = waiting.run("approve", "latest", "--signature", signature)
    assert code == 2
    assert "was made with a key that the file of signers" in printed
    assert waiting.manifest.approvals == ()


@needs_keygen
def test_a_signature_for_another_purpose_is_refused(waiting: Desk, sara: Path) -> None:
    """A signature that was made for git, or for a file, is not an approval."""
    signature = sign(sara, waiting.plan.digest, namespace="git")
    code, printed = waiting.run("approve", "latest", "--signature", signature)
    assert code == 2
    assert "was made for another namespace than fatora-clients" in printed


@needs_keygen
def test_the_signature_of_another_digest_is_refused(waiting: Desk, sara: Path) -> None:
    """The signature of another run's plan cannot be reused."""
    code, printed = waiting.run("approve", "latest", "--signature", sign(sara, "0" * 64))
    assert code == 2
    assert f"is not one of the digest {waiting.plan.digest}" in printed


@needs_keygen
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no signature",
        b"\xff\xfe",
        b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----",
    ],
)
def test_what_is_no_signature_is_refused(waiting: Desk, sara: Path, text: bytes) -> None:
    """Another file that was named by mistake is named in the sentence."""
    path = sara.with_name("plan.sig")
    path.write_bytes(text)
    code, printed = waiting.run("approve", "latest", "--signature", path)
    assert code == 2
    assert "signature" in printed
    assert waiting.manifest.approvals == ()


@needs_keygen
@pytest.mark.parametrize("name", ["missing.sig", "."])
def test_a_signature_that_cannot_be_read_is_named(waiting: Desk, sara: Path, name: str) -> None:
    """A mistyped path of the signature is named with the reason."""
    assert sara.exists()
    path = waiting.folder / name
    code, printed = waiting.run("approve", "latest", "--signature", path)
    assert code == 2
    assert f"the signature {path} cannot be read: " in printed


@needs_keygen
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ('namespaces="git"', 'not permitted for use in signature namespace "fatora-clients"'),
        ('valid-before="20200101"', "was made with a key that the file of signers"),
    ],
)
def test_the_options_of_a_signer_hold(waiting: Desk, sara: Path, options: str, why: str) -> None:
    """A key that is allowed for another purpose, or no longer, approves nothing."""
    signers = waiting.folder / "signers"
    signers.write_text(line_of(sara, "sara", options), encoding="ascii")
    code, printed = waiting.run("approve", "latest", "--signature", sign(sara, waiting.plan.digest))
    assert code == 2
    assert why in printed


@needs_keygen
def test_one_of_several_signers_is_found(waiting: Desk, sara: Path) -> None:
    """Comments, other keys and lines for other purposes do not hide the line that counts."""
    other = new_key(waiting.folder, "omar")
    line = line_of(sara, "sara@example.com,sara", 'namespaces="git,fatora-clients"')
    lines = ["# who may approve", "", "damaged", line_of(other, "omar")]
    lines += [line_of(sara, "old", 'namespaces="git"'), f"  {line}  "]
    (waiting.folder / "signers").write_text("\n".join(lines), encoding="ascii")
    signature = sign(sara, waiting.plan.digest)
    assert waiting.run("approve", "latest", "--signature", signature)[0] == 0
    (approval,) = waiting.manifest.approvals
    assert (approval.signer, approval.key) == ("sara@example.com", line)


@needs_keygen
def test_a_signer_who_was_removed_since_does_not_count(waiting: Desk, sara: Path) -> None:
    """The update asks the file of signers as it is now, before the first update is sent."""
    waiting.run("approve", "latest", "--signature", sign(sara, waiting.plan.digest))
    omar = line_of(new_key(waiting.folder, "omar"), "omar")
    (waiting.folder / "signers").write_text(omar, encoding="ascii")
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "The approval does not count: the signature was made with a key that" in printed
    report = (waiting.path / "report.html").read_text(encoding="utf-8")
    assert "The approval does not count" in report.split("<main")[0]
    assert verify(waiting) == []  # it was valid when it was given


@needs_keygen
def test_a_changed_signature_does_not_count(waiting: Desk, sara: Path) -> None:
    """A signature that was exchanged in the manifest is not sent by `update`."""
    waiting.run("approve", "latest", "--signature", sign(sara, waiting.plan.digest))
    (approval,) = waiting.manifest.approvals
    other = sign(sara, "0" * 64).read_text(encoding="ascii")
    seal_again(waiting, approvals=(replace(approval, signature=other),))
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "The approval does not count: the signature is not one of the digest" in printed


@needs_keygen
def test_without_ssh_keygen_nothing_is_approved_or_sent(
    waiting: Desk, sara: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no ssh-keygen, each command says so, and nothing is sent."""
    signature = sign(sara, waiting.plan.digest)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(waiting.folder))
    code, printed = waiting.run("approve", "latest", "--signature", signature)
    assert code == 2
    assert "ssh-keygen, which verifies signatures, is not installed or not in PATH" in printed
    assert waiting.manifest.approvals == ()
    monkeypatch.setenv("PATH", path)
    assert waiting.run("approve", "latest", "--signature", signature)[0] == 0
    monkeypatch.setenv("PATH", str(waiting.folder))
    code, printed = update(waiting)
    assert (code, waiting.sent) == (4, 0)
    assert "The approval could not be verified: ssh-keygen" in printed
    (problem,) = verify(waiting)
    assert "the signature of sara@example.com could not be verified: ssh-keygen" in problem


# Verifying


def test_verify_proves_that_the_approved_plan_is_in_the_journal(waiting: Desk) -> None:
    """A journal that was changed and sealed afresh no longer has the plan that was approved."""
    waiting.run("approve", "latest")
    update(waiting)
    edit_journal(waiting, "UPDATE rows SET body = replace(body, 'sara@', 'eve@') WHERE row = 2")
    seal_again(waiting)
    prefix = f"{waiting.path.name}: manifest.json: "
    assert verify(waiting)[:2] == [
        f"{prefix}plan differs from journal.sqlite3",
        f"{prefix}what was approved is not the plan in journal.sqlite3",
    ]


def test_verify_proves_the_digest_of_the_plan(waiting: Desk) -> None:
    """A digest that was exchanged in the manifest is computed again."""
    waiting.run("approve", "latest")
    seal_again(waiting, plan=replace(waiting.plan, digest="0" * 64))
    assert verify(waiting) == [
        f"{waiting.path.name}: manifest.json: plan differs from journal.sqlite3"
    ]


@needs_keygen
def test_verify_proves_each_signature_by_the_kept_key(waiting: Desk, sara: Path) -> None:
    """Each part of a signed approval that somebody exchanges and seals afresh is found."""
    waiting.run("approve", "latest", "--signature", sign(sara, waiting.plan.digest))
    update(waiting)
    (approval,) = waiting.manifest.approvals
    eve = new_key(waiting.folder, "eve")
    exchanged = {
        "does not fit the key": {"key": line_of(eve, "sara@example.com")},
        "does not fit": {"signer": "omar@example.com"},
        "is not one of the digest": {"signature": sign(sara, "0" * 64).read_text(encoding="ascii")},
        "another namespace": {
            "signature": sign(sara, approval.digest, "git").read_text(encoding="ascii")
        },
        "cannot be read": {"signature": ""},
    }
    for why, changes in exchanged.items():
        seal_again(waiting, approvals=(replace(approval, **changes),))
        (problem,) = verify(waiting)
        assert "manifest.json: the signature of " in problem
        assert why in problem
    seal_again(waiting, approvals=(approval,))
    assert verify(waiting) == []


@needs_keygen
def test_verify_asks_whether_a_key_was_valid_when_it_signed(waiting: Desk, sara: Path) -> None:
    """A key that expired after the approval has proved it all the same."""
    waiting.run("approve", "latest", "--signature", sign(sara, waiting.plan.digest))
    (approval,) = waiting.manifest.approvals
    line = line_of(sara, "sara@example.com", 'valid-after="20260101",valid-before="20270101"')
    for when, problems in (
        ("2026-06-01T12:00:00.000+00:00", 0),
        ("2027-06-01T12:00:00.000+00:00", 1),
    ):
        seal_again(waiting, approvals=(replace(approval, key=line, time=when),))
        assert len(verify(waiting)) == problems


@needs_keygen
def test_a_pruned_run_keeps_its_signature(waiting: Desk, sara: Path) -> None:
    """After its personal data is gone, a run still proves who approved its plan."""
    waiting.run("approve", "latest", "--signature", sign(sara, waiting.plan.digest))
    update(waiting)
    runs = RunsFolder(waiting.folder / "runs")
    assert list(prune(older_than(timedelta(0), entries(runs)), runs)) == [None]
    assert verify(waiting) == []
    (approval,) = waiting.manifest.approvals
    seal_again(waiting, approvals=(replace(approval, signature=""),))
    assert len(verify(waiting)) == 1


def test_a_plan_that_waits_is_called_so_everywhere(waiting: Desk) -> None:
    """Until it is approved it needs approval, and did not just stop early; then it is approved."""
    _, printed = waiting.run("update", waiting.folder / "clients.csv")
    assert " NEEDS APPROVAL (SANDBOX): 1 file, 2 rows to send " in printed
    assert ("needs_approval", True) in json.loads(
        waiting.run("update", waiting.folder / "clients.csv", "--json")[1]
    ).items()
    assert ": needs approval " in waiting.run("show", "latest")[1]
    assert " needs approval SANDBOX " in waiting.run("history")[1]
    page = (waiting.path / "report.html").read_text(encoding="utf-8")
    assert ">Needs approval</b>" in page
    assert "4 (the plan needs approval)" in page
    waiting.run("approve", "latest")
    assert ": approved " in waiting.run("show", "latest")[1]
    assert " approved SANDBOX " in waiting.run("history")[1]


def test_a_plan_is_approved_although_only_its_command_compares(desk: Desk) -> None:
    """The command in the sentence works, whether an option or the configuration compares."""
    source = desk.clients(ROWS)
    desk.compares = False
    assert desk.run("update", source, "--compare")[0] == 4
    assert desk.run("approve", "latest")[0] == 0
    assert desk.run("update", source, "--compare")[0] == 0
