"""baresip as a softphone without a sound card: it sends a file and records what it hears.

A seat's telephone (registers, rings, answers on command or by itself) or a caller. It is driven over its ``ctrl_tcp``
module: netstrings of JSON, commands out, responses and events back.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulation.machines.launch import POLL, Launched, launch, require_free, wait_until_ready
from simulation.machines.tones import Sound, read_wav, sine, write_wav
from simulation.machines.trouble import MachineTrouble, tail_of

START_SECONDS = 10.0
ANSWER_SECONDS = 10.0
MODULES = ("g711", "aufile", "sndfile", "account", "menu", "ctrl_tcp")


@dataclass(frozen=True, slots=True)
class PhoneSpec:
    """One softphone. ``registrar`` is ``host:port``; without a password it does not register and is only a caller."""

    name: str
    user: str
    registrar: str
    address: str
    password: str = ""
    sip_port: int = 5060
    control_port: int = 4444
    auto_answer: bool = False
    max_calls: int = 1
    tone: float = 0.0
    """Hertz of the tone it sends; 0 is silence."""
    tone_seconds: float = 60.0
    rtp_first: int = 30000
    rtp_last: int = 39999


def _config(spec: PhoneSpec, directory: Path) -> str:
    lines = {
        "poll_method": "epoll",
        "sip_listen": f"{spec.address}:{spec.sip_port}",
        "net_interface": spec.address,
        "call_local_timeout": "120",
        "call_max_calls": str(spec.max_calls),
        "audio_source": f"aufile,{directory / 'says.wav'}",
        "ausrc_srate": "8000",
        "auplay_srate": "8000",
        "ausrc_channels": "1",
        "auplay_channels": "1",
        "audio_buffer": "20-160",
        "rtp_ports": f"{spec.rtp_first}-{spec.rtp_last}",
        "rtcp_mux": "no",
        "jitter_buffer_delay": "2-10",
        "snd_path": str(directory / "heard"),
        "ctrl_tcp_listen": f"{spec.address}:{spec.control_port}",
        "ring_aufile": "none",
        "ringback_aufile": "none",
        "callwaiting_aufile": "none",
        "busy_aufile": "none",
        "error_aufile": "none",
        "notfound_aufile": "none",
        "module_path": "/usr/lib/baresip/modules",
    }
    settings = [f"{key}\t{value}" for key, value in lines.items()]
    modules = [
        f"{'module_app' if name in {'account', 'menu', 'ctrl_tcp'} else 'module'}\t{name}.so" for name in MODULES
    ]
    return "\n".join(settings + modules) + "\n"


def _account(spec: PhoneSpec) -> str:
    options = [
        f"answermode={'auto' if spec.auto_answer else 'manual'}",
        "audio_codecs=PCMA/8000/1,PCMU/8000/1",
        "mwi=no",
    ]
    options += [f"auth_user={spec.user}", f"auth_pass={spec.password}", "regint=60"] if spec.password else ["regint=0"]
    return f"<sip:{spec.user}@{spec.registrar}>;{';'.join(options)}\n"


@dataclass
class Softphone:
    """A running baresip."""

    spec: PhoneSpec
    directory: Path
    process: Launched | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _control: socket.socket | None = field(default=None, repr=False)
    _replies: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    _asked: int = 0

    def start(self) -> Softphone:
        """Start it and connect to its control port; a seat's telephone is waited for until it is registered."""
        spec = self.spec
        require_free(f"baresip {spec.name}", spec.address, spec.sip_port, socket.SOCK_DGRAM)
        (self.directory / "heard").mkdir(parents=True, exist_ok=True)
        (self.directory / "config").write_text(_config(spec, self.directory))
        (self.directory / "accounts").write_text(_account(spec))
        (self.directory / "contacts").write_text("")
        said = sine(spec.tone, spec.tone_seconds) if spec.tone else [0] * int(8000 * spec.tone_seconds)
        write_wav(self.directory / "says.wav", said)
        self.process = launch(
            f"baresip {spec.name}",
            ["baresip", "-f", str(self.directory)],
            log=self.directory / "baresip.log",
            record=self.directory / "process.json",
        )
        wait_until_ready(self.process, self._connected, START_SECONDS)
        threading.Thread(target=self._listen, name=f"baresip-{spec.name}", daemon=True).start()
        if spec.password:
            self._wait_registered()
        return self

    def _wait_registered(self) -> None:
        """Ask, because it may have registered before anybody listened to its events."""
        end = time.monotonic() + START_SECONDS
        while "OK" not in (state := self.command("reginfo")):
            if "ERR" in state or time.monotonic() > end:
                log = tail_of(self.directory / "baresip.log")
                self.stop()
                raise MachineTrouble(
                    "phone-not-registered",
                    zh=f"话机 {self.spec.name} 注册失败",
                    en=f"telephone {self.spec.name} could not register",
                    place=self.spec.registrar,
                    tail=log,
                )
            time.sleep(POLL)

    def _connected(self) -> bool:
        try:
            self._control = socket.create_connection((self.spec.address, self.spec.control_port), timeout=2)
        except OSError:
            return False
        self._control.settimeout(None)
        return True

    def _listen(self) -> None:
        control = self._control
        if control is None:
            return
        buffer = b""
        while True:
            try:
                more = control.recv(65536)
            except OSError:
                return
            if not more:
                return
            buffer += more
            while (colon := buffer.find(b":")) > 0 and len(buffer) >= (end := colon + 1 + int(buffer[:colon])) + 1:
                self._received(json.loads(buffer[colon + 1 : end]))
                buffer = buffer[end + 1 :]

    def _received(self, message: dict[str, Any]) -> None:
        with self._changed:
            if message.get("response"):
                self._replies[str(message.get("token", ""))] = message
            else:
                self.events.append(message | {"at": time.monotonic()})
            self._changed.notify_all()

    def _wait(self, what: str, found: Callable[[], Any], seconds: float) -> Any:
        end = time.monotonic() + seconds
        with self._changed:
            while (result := found()) is None:
                left = end - time.monotonic()
                if left <= 0:
                    seen = ", ".join(str(event.get("type")) for event in self.events) or "-"
                    raise MachineTrouble(
                        "phone-timeout",
                        zh=f"话机 {self.spec.name} 在 {seconds:g} 秒内没有等到 {what}（已有：{seen}）",
                        en=f"telephone {self.spec.name} saw no {what} within {seconds:g} s (seen: {seen})",
                        place=str(self.directory),
                        tail=tail_of(self.directory / "baresip.log"),
                    )
                self._changed.wait(left)
            return result

    def wait_for(self, kind: str, seconds: float = ANSWER_SECONDS, *, after: int = 0) -> dict[str, Any]:
        """The first event of this type (``CALL_INCOMING``, ``CALL_ESTABLISHED``, ``CALL_CLOSED``, ``REGISTER_OK`` …).

        ``after`` skips the first so many events: pass :meth:`mark`'s result to see only later ones.
        """

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events[after:] if event.get("type") == kind), None)

        result: dict[str, Any] = self._wait(kind, found, seconds)
        return result

    def mark(self) -> int:
        """How many events have been seen."""
        with self._changed:
            return len(self.events)

    def command(self, name: str, params: str = "", seconds: float = ANSWER_SECONDS) -> str:
        """Give a command and return what baresip says to it; a refused command is a trouble."""
        if self._control is None:
            raise MachineTrouble(
                "phone-not-started", zh="话机未启动", en="the telephone is not started", place=self.spec.name
            )
        self._asked += 1
        token = f"t{self._asked}"
        body = json.dumps({"command": name, "params": params, "token": token}).encode()
        self._control.sendall(b"%d:%s," % (len(body), body))
        reply = self._wait(f"answer to {name}", lambda: self._replies.pop(token, None), seconds)
        if not reply.get("ok"):
            raise MachineTrouble(
                "phone-refused",
                zh=f"话机 {self.spec.name} 拒绝命令 {name}",
                en=f"telephone {self.spec.name} refused {name}",
                place=params,
                tail=str(reply.get("data", "")),
            )
        return str(reply.get("data", ""))

    def dial(self, uri: str) -> None:
        """Call a SIP address."""
        self.command("dial", uri)

    def accept(self) -> None:
        """Answer the ringing call."""
        self.command("accept")

    def hangup(self) -> None:
        """End or decline the current call."""
        self.command("hangup")

    def hold(self) -> None:
        """Hold by the telephone's own means (re-INVITE)."""
        self.command("hold")

    def resume_call(self) -> None:
        """End the telephone's own hold."""
        self.command("resume")

    def digits(self, digits: str) -> None:
        """Send DTMF (RFC 4733) in the current call."""
        for digit in digits:
            self.command("sndcode", digit)

    def heard(self) -> Sound:
        """Everything heard in the last call so far."""
        recordings = sorted((self.directory / "heard").glob("*-dec.wav"), key=lambda one: one.stat().st_mtime_ns)
        return read_wav(recordings[-1]) if recordings else Sound(8000, ())

    def stop(self) -> None:
        """End it; a call is cut by its BYE."""
        if self.process is not None:
            self.process.stop(5)
        self._close()

    def kill(self) -> None:
        """End it as a power failure would: no BYE, no un-REGISTER."""
        if self.process is not None:
            self.process.kill()
        self._close()

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
