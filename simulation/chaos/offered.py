"""What the cities of a seed take in work for: two small services, with deadlines of minutes."""

from __future__ import annotations

from functools import cache

from dataset.calendar import WorkCalendar
from dataset.services.catalogue import parse_catalogue
from federation.node.offering import Offering
from simulation.chaos.scene import package

REPAIR, QUESTION = "repair", "question"
REPAIRED = "repaired"
"""the action of a repair with which the customer is asked how satisfied they are"""
WITHDRAW = "withdraw"
"""the action by which an agent may end an item of either in any of its states"""

_REPAIR = """
id = "repair"
version = "1"
zh = "修障"
en = "Repair"
group = "fault"
skill = "fault"
handling = "2.00"
door = ["112"]
channel = ["voice"]
[[field]]
id = "symptom"
zh = "现象"
en = "Symptom"
type = "text"
required = true
section = "障碍"
[[state]]
id = "received"
zh = "已受理"
en = "Received"
within = "6min"
clock = "calendar"
role = "dispatcher"
escalate = ["supervisor", "site_admin"]
[[state]]
id = "sent"
zh = "已派工"
en = "With the crew"
within = "8min"
clock = "calendar"
role = "crew"
escalate = ["dispatcher", "supervisor"]
[[state]]
id = "done"
zh = "已修复"
en = "Repaired"
ends = "done"
[[state]]
id = "withdrawn"
zh = "撤销"
en = "Withdrawn"
ends = "cancelled"
[[action]]
id = "send"
zh = "派工"
en = "Send the crew"
from = ["received"]
to = "sent"
roles = ["dispatcher"]
[[action]]
id = "back"
zh = "退回"
en = "Send back"
from = ["sent"]
to = "received"
roles = ["crew"]
note_required = true
[[action]]
id = "repaired"
zh = "修复"
en = "Repaired"
from = ["sent"]
to = "done"
roles = ["crew", "agent"]
after_call_back = true
asks_satisfaction = true
[[action]]
id = "withdraw"
zh = "撤销"
en = "Withdraw"
from = ["received", "sent"]
to = "withdrawn"
roles = ["agent"]
note_required = true
[[rule]]
kind = "no_open_item"
at = ["open"]
values = ["repair"]
zh = "该号码已有障碍在修"
en = "A repair of this line is open"
[measure]
share = 0.9
within = "5min"
clock = "calendar"
"""
_QUESTION = """
id = "question"
version = "1"
zh = "咨询待答"
en = "Question"
group = "complaint"
skill = "bill"
handling = "0.50"
door = ["170"]
channel = ["voice"]
[[field]]
id = "words"
zh = "内容"
en = "Text"
type = "text"
required = true
section = "咨询"
[[state]]
id = "asked"
zh = "待答"
en = "Asked"
within = "5min"
clock = "calendar"
role = "back_office"
escalate = ["supervisor", "site_admin"]
[[state]]
id = "answered"
zh = "已答复"
en = "Answered"
ends = "answered"
[[state]]
id = "withdrawn"
zh = "撤回"
en = "Withdrawn"
ends = "cancelled"
[[action]]
id = "answer"
zh = "答复"
en = "Answer"
from = ["asked"]
to = "answered"
roles = ["back_office"]
[[action]]
id = "withdraw"
zh = "撤回"
en = "Withdraw"
from = ["asked"]
to = "withdrawn"
roles = ["agent"]
note_required = true
[measure]
share = 0.9
within = "5min"
clock = "calendar"
"""


@cache
def offering() -> Offering:
    """As every city of every seed has it; all deadlines run by the calendar, so nobody has hours of work."""
    files = {"repair": _REPAIR.encode(), "question": _QUESTION.encode()}
    return Offering(parse_catalogue(files, package()), WorkCalendar(((),) * 7, {}))
