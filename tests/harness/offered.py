"""What the operator offers, line by line as it was asked for, and the service that each line has become."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One line of what was asked for."""

    group: str
    zh: str
    services: tuple[str, ...]


def _lines(group: str, *lines: str) -> tuple[Line, ...]:
    found = (line.partition(": ") for line in lines)
    return tuple(Line(group, zh, tuple(services.split())) for zh, _, services in found)


OFFERED: tuple[Line, ...] = (
    *_lines(
        "综合查询",
        "114 号码查询: directory",
        "业务办理情况: order_progress",
        "用户申告处理情况: fault_progress complaint_progress",
        "话费和缴费: bill",
        "资费（170）: tariff",
    ),
    *_lines(
        "综合咨询",
        "电信行政法规: consult_regulations",
        "电信行业管理: consult_industry",
        "地方性法规: consult_local_rules",
        "邮电业务宣传及咨询: consult_publicity",
        "电信市场咨询: consult_market",
        "电信业务市场推广: consult_promotion",
        "特殊需求咨询: consult_special_needs",
        "市话业务: consult_local_calls",
        "长途业务: consult_long_distance",
        "数据业务: consult_data",
        "新业务: consult_new_services",
        "其它: consult_other",
    ),
    *_lines(
        "业务受理（189）：市话",
        "装机: install_line",
        "移机: move_line",
        "拆机: remove_line",
        "主叫显示: caller_id",
        "定时呼叫: timed_call",
        "呼叫转移: forward_all forward_busy forward_no_answer",
        "其他程控新功能: call_waiting three_way do_not_disturb hotline call_barring abbreviated_dialling "
        "absent_subscriber malicious_call_trace",
        "长途: domestic_direct international_direct",
    ),
    *_lines(
        "业务受理（189）：数据",
        "China DDN: ddn",
        "ChinaPAC: chinapac",
        "可视图文: videotex",
        "传真存储转发 F&S: fax_store_forward",
        "E-Mail: email",
        "Internet: internet_dial_up internet_dedicated",
    ),
    *_lines(
        "业务受理（189）：新业务",
        "ISDN: isdn_2b_d isdn_30b_d",
        "EDI: edi",
        "200: card_200",
        "300: card_300",
        "800: freephone_800",
    ),
    *_lines("障碍（112）", "障碍申告: fault"),
    *_lines("投诉（180）", "投诉: complaint", "建议: suggestion"),
    *_lines(
        "现场所需",
        "特殊需求受理: special_needs",
        "市场推广: promotion_fibre promotion_key_account",
    ),
)

ENDED = (
    "absent_subscriber", "ddn", "chinapac", "videotex", "fax_store_forward", "email", "internet_dial_up", "isdn_2b_d",
    "isdn_30b_d", "edi", "card_200", "card_300", "freephone_800",
)  # fmt: skip
"""Services that history ended; each names what stands in its place today."""
