"""SIPp as callers and as telephones that answer by themselves, and as a second witness of what happened when."""

from __future__ import annotations

import csv
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from simulation.machines.asterisk import Asterisk, Seat
from simulation.machines.launch import Launched, launch, require_free, wait_until_ready
from simulation.machines.places import conf_dir
from simulation.machines.tones import sine
from simulation.machines.trouble import MachineTrouble, tail_of

REFUSALS = (400, 401, 403, 404, 408, 480, 481, 482, 483, 484, 486, 488, 500, 501, 502, 503, 504, 600, 603, 604)
FOREVER_MS = 24 * 3600 * 1000
SECONDS_TO_END = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of SIPp's own log: what happened to which call (SIP Call-ID) at what time (seconds since 1970).

    ``number`` is the caller's, where a telephone was ``offered`` a call; of ``center`` it is who answered, as a header.
    """

    what: str
    call: str
    at: float
    number: str = ""


@dataclass(frozen=True, slots=True)
class SippResult:
    """What SIPp counted. ``codes`` are the refusals it got, ``seen`` its log in order."""

    exit_code: int
    successful: int
    failed: int
    seen: Sequence[Seen]

    def count(self, what: str) -> int:
        """How often something was seen: dialled, answered, released, hung-up, gave-up, refused, offered, withdrawn."""
        return sum(one.what == what for one in self.seen)

    def refused_with(self) -> list[int]:
        """SIP codes of refused calls, in order."""
        return [int(one.what.removeprefix("refused-")) for one in self.seen if one.what.startswith("refused-")]


@dataclass(frozen=True, slots=True)
class Callers:
    """Calls to one number at one door. Times in seconds; ``rate`` in calls per second.

    ``digits`` are sent after the answer; ``tone`` is the frequency (Hz) of what they send, 0 sends no RTP at all;
    ``speech`` is a file in A-law that they send instead.
    """

    name: str
    door: str
    """host:port"""
    address: str
    number: str = "10000"
    caller: str = "138[call_number]"
    port: int = 5060
    calls: int = 1
    rate: float = 10.0
    patience: float = 60.0
    talk: float = 60.0
    tone: float = 0.0
    digits: str = ""
    first_digit_after: float = 0.5
    limit: int = 2000
    media_port: int = 40000
    speech: Path | None = None
    polite: bool = False
    """their calls can be cut short by BYE (``hang_up``), instead of falling silent"""


@dataclass(frozen=True, slots=True)
class AnsweringSeats:
    """Telephones of seats at one switch, all at one address: registered once, answering after ``ring`` seconds.

    They send ``tone`` (Hz), or ``speech`` (a file in A-law) if there is one.
    """

    name: str
    switch: Asterisk
    seats: Sequence[Seat]
    address: str
    port: int = 5070
    ring: float = 0.2
    tone: float = 0.0
    media_port: int = 45000
    speech: Path | None = None
    statistics_s: int = 1
    """how often SIPp writes what it has counted"""


_INFO = """  <send retrans="500"><![CDATA[
INFO [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:$caller@[local_ip]:[local_port]>;tag=[pid]c[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: [cseq] INFO
Max-Forwards: 70
Content-Type: application/dtmf-relay
Content-Length: [len]

Signal=DIGIT
Duration=120
  ]]></send>
  <recv response="200"/>"""


NOTE_CENTER = '  <nop><action><log message="center|[call_id]|[timestamp]|[last_To:]"/></action></nop>\n'
"""Who has answered, with the tag that a BYE has to name."""
ASKED_TO_END = '  <recv request="MESSAGE" optional="true" next="hang-up" timeout="{ms}" ontimeout="hang-up"/>\n'
END_IT = (
    "MESSAGE sip:caller SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK-end\r\n"
    "From: <sip:yht@localhost>;tag=end\r\n{to}\r\nCall-ID: {call}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
)
"""What ``ASKED_TO_END`` waits for. The BYE is sent to whom this names."""


def _refusal_lines() -> str:
    """Optional answers that refuse; each is logged with its code."""
    return "\n".join(
        f'  <recv response="{code}" optional="true" next="refused">'
        f'<action><log message="refused-{code}|[call_id]|[timestamp]"/></action></recv>'
        for code in REFUSALS
    )


def _tone(directory: Path, hertz: float) -> Path:
    sound = directory / f"tone-{hertz:g}.alaw"
    sound.write_bytes(bytes(alaw(sample) for sample in sine(hertz, 1.0)))
    return sound


def sound_line(sound: Path) -> str:
    """The step that sends an A-law file over and over until the call ends."""
    return f'  <nop><action><exec rtp_stream="{sound},-1,8"/></action></nop>'


def _media_lines(sound: Path | None, digits: str = "", first_after: float = 0.5, caller: str = "") -> str:
    """What is sent after the answer: a looped A-law file, then digits (SIP INFO; baresip sends RFC 4733)."""
    lines = [] if sound is None else [sound_line(sound)]
    for place, digit in enumerate(digits):
        lines.append(f'  <pause milliseconds="{int(1000 * first_after) if place == 0 else 300}"/>')
        lines.append(_INFO.replace("DIGIT", digit).replace("$caller", caller))
    return "\n".join(lines)


def alaw(sample: int) -> int:
    """One 16 bit sample in A-law (G.711)."""
    sign = 0x80 if sample >= 0 else 0
    size = min(abs(sample), 32635) >> 4
    exponent, mantissa = 0, size
    if size >= 16:
        exponent = size.bit_length() - 4
        mantissa = size >> (exponent - 1)
    return (sign | (exponent << 4) | (mantissa & 0x0F)) ^ 0x55


@dataclass
class Sipp:
    """One running SIPp."""

    name: str
    directory: Path
    process: Launched

    def wait(self, seconds: float) -> SippResult:
        """Wait until its calls are over, and read what it counted."""
        if not self.process.wait_end(seconds):
            self.process.kill()
            raise MachineTrouble(
                "sipp-timeout",
                zh=f"SIPp {self.name} 在 {seconds:g} 秒内没有结束",
                en=f"SIPp {self.name} did not end within {seconds:g} s",
                place=str(self.directory),
                tail=tail_of(self.directory / "errors.log") or tail_of(self.process.log),
            )
        return self.result()

    def stop(self) -> SippResult:
        """Take no more calls, cut what is left, and read what it counted."""
        self.process.signal(signal.SIGUSR1)
        if not self.process.wait_end(1.0):
            self.process.stop(SECONDS_TO_END)
        return self.result()

    def result(self) -> SippResult:
        """What it has counted so far."""
        code = self.process.popen.returncode if self.process.popen is not None else None
        last: dict[str, str] = {}
        statistics = self.directory / "statistics.csv"
        if statistics.exists():
            for row in csv.DictReader(_whole_lines(statistics), delimiter=";"):
                last = row
        if code is not None and code >= 0 and (code not in (0, 1, 99) or not statistics.exists()):
            raise MachineTrouble(
                "sipp-failed",
                zh=f"SIPp {self.name} 出错退出（{code}）",
                en=f"SIPp {self.name} failed (exit {code})",
                place=str(self.directory),
                tail=tail_of(self.process.log),
            )
        return SippResult(
            exit_code=-1 if code is None else code,
            successful=int(last.get("SuccessfulCall(C)", 0)),
            failed=int(last.get("FailedCall(C)", 0)),
            seen=_read_log(self.directory / "log.txt"),
        )


def _whole_lines(path: Path) -> list[str]:
    """What a program at work has written so far; the line that it is in the middle of is for the next time."""
    written, _, _ = path.read_text().rpartition("\n")
    return written.splitlines()


def _read_log(path: Path) -> list[Seen]:
    if not path.exists():
        return []
    seen = []
    for line in _whole_lines(path):
        parts = line.split("|")
        if len(parts) in (3, 4):
            # [timestamp] ends with seconds since 1970
            seen.append(Seen(parts[0], parts[1], float(parts[2].split()[-1]), *parts[3:]))
    return seen


def start_scenario(
    name: str,
    scenario: str,
    values: dict[str, object],
    options: list[str],
    directory: Path,
    *,
    statistics_s: int = 1,
) -> Sipp:
    """Run SIPp on ``conf/sipp/<scenario>.xml.in`` filled with ``values``; what it counts is written each
    ``statistics_s`` seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    template = Template((conf_dir() / "sipp" / f"{scenario}.xml.in").read_text("utf-8"))
    path = directory / f"{scenario}.xml"
    path.write_text(template.substitute(values), "utf-8")
    for old in ("log.txt", "errors.log", "statistics.csv"):
        (directory / old).unlink(missing_ok=True)
    argv = [
        *("sipp", "-sf", str(path), "-nostdin", "-nd", "-skip_rlimit"),
        *("-trace_logs", "-log_file", str(directory / "log.txt")),
        *("-trace_err", "-error_file", str(directory / "errors.log")),
        *("-trace_stat", "-stf", str(directory / "statistics.csv"), "-fd", str(statistics_s)),
        *options,
    ]
    return Sipp(
        name,
        directory,
        launch(f"sipp {name}", argv, log=directory / "screen.log", record=directory / "process.json", cwd=directory),
    )


def start_callers(callers: Callers, directory: Path) -> Sipp:
    """Begin to call."""
    require_free(f"sipp {callers.name}", callers.address, callers.port, socket.SOCK_DGRAM)
    directory.mkdir(parents=True, exist_ok=True)
    sound = callers.speech or (_tone(directory, callers.tone) if callers.tone else None)
    values: dict[str, object] = {
        "caller": callers.caller,
        "patience_ms": int(callers.patience * 1000),
        "talk_ms": int(callers.talk * 1000),
        "refusals": _refusal_lines(),
        "note_center": NOTE_CENTER if callers.polite else "",
        "asked_to_end": ASKED_TO_END.format(ms=int(callers.talk * 1000)) if callers.polite else "",
        "media": _media_lines(sound, callers.digits, callers.first_digit_after, callers.caller),
    }
    # SIPp takes whole calls per period, so a slow rate is one call in a longer period
    rate, period = (callers.rate, 1000) if callers.rate >= 1 else (1, int(1000 / callers.rate))
    options = [
        *(callers.door, "-s", callers.number, "-i", callers.address, "-p", str(callers.port)),
        *("-mi", callers.address, "-mp", str(callers.media_port)),
        *("-m", str(callers.calls), "-l", str(callers.limit), "-r", str(rate), "-rp", str(period)),
    ]
    return start_scenario(callers.name, "caller", values, options, directory)


def hang_up(callers: Callers, sipp: Sipp, seconds: float = 5.0) -> None:
    """Let ``polite`` callers end the calls that have been answered: by itself SIPp can only fall silent too early."""
    until = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as teller:
        while sipp.process.alive() and time.monotonic() < until:
            for center in (one for one in sipp.result().seen if one.what == "center"):
                teller.sendto(
                    END_IT.format(call=center.call, to=center.number).encode(), (callers.address, callers.port)
                )
            if sipp.process.wait_end(0.5):
                return
    sipp.stop()


def start_seats(seats: AnsweringSeats, directory: Path) -> Sipp:
    """Start the telephones, register them, and return the one process that answers for all."""
    switch = seats.switch.spec
    require_free(f"sipp {seats.name}", seats.address, seats.port, socket.SOCK_DGRAM)
    options = [
        *(f"{switch.sip_address}:{switch.sip_port}", "-i", seats.address, "-p", str(seats.port), "-mi", seats.address),
        *("-mp", str(seats.media_port), "-aa"),
    ]
    directory.mkdir(parents=True, exist_ok=True)
    values: dict[str, object] = {
        "ring_ms": int(seats.ring * 1000),
        "talk_ms": FOREVER_MS,
        "media": _media_lines(seats.speech or (_tone(directory, seats.tone) if seats.tone else None)),
    }
    telephones = start_scenario(seats.name, "seat", values, options, directory, statistics_s=seats.statistics_s)
    wait_until_ready(telephones.process, lambda: listens(seats.address, seats.port), SECONDS_TO_END)
    try:
        register_seats(seats, directory / "register")
        seats.switch.wait_for_seats([one.user for one in seats.seats])
    except MachineTrouble:
        telephones.process.kill()
        raise
    return telephones


def listens(address: str, port: int) -> bool:
    """Whether a telephone or a switch is at this address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


def register_seats(seats: AnsweringSeats, directory: Path) -> None:
    """Tell the switch, for an hour, that these seats' telephones are where ``seats`` says."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = [f"{one.user};[authentication username={one.user} password={one.password}]" for one in seats.seats]
    (directory / "seats.csv").write_text("SEQUENTIAL\n" + "\n".join(rows) + "\n")
    switch = seats.switch.spec
    options = [
        *(f"{switch.sip_address}:{switch.sip_port}", "-i", seats.address, "-p", str(seats.port + 1)),
        *("-m", str(len(seats.seats)), "-r", "50", "-inf", str(directory / "seats.csv")),
    ]
    done = start_scenario(f"{seats.name} register", "register", {"contact_port": seats.port}, options, directory).wait(
        30
    )
    if done.exit_code != 0:
        raise MachineTrouble(
            "seats-not-registered",
            zh=f"{seats.name}：{done.failed} 个话机注册失败",
            en=f"{seats.name}: {done.failed} telephones could not register",
            place=f"{switch.sip_address}:{switch.sip_port}",
            tail=tail_of(directory / "errors.log"),
        )
