"""One record of each kind, with the characters and the empty places that real ones have."""

from __future__ import annotations

from datetime import date

from dataset.ids import AgentId, ArticleId, AttachmentId, CityId, ContactId, CustomerId, ReceiptId
from dataset.puts import Put
from dataset.records.article import ARTICLES, JUDGEMENTS, Article, CityDifference, Judgement
from dataset.records.attachment import ATTACHMENT_PARTS, ATTACHMENTS, Attachment, AttachmentPart, digest
from dataset.records.contact import CONTACTS, SEGMENTS, PastContact, PastSegment
from dataset.records.customer import CUSTOMERS, Customer, CustomerKind, Document, DocumentKind
from dataset.records.directory import DIRECTORY, DirectoryEntry
from dataset.records.line import LINES, Line, LineStatus
from dataset.records.money import BILLS, PAYMENTS, Bill, BillItem, Payment
from dataset.records.package import PACKAGES, PackageInUse, PackageKind
from dataset.records.tariff import TARIFFS, TariffItem, TariffUnit
from dataset.records.work import CHARGES, MESSAGES, WORK_ITEMS, Charge, CustomerMessage, WorkRecord
from dataset.rows import Ending
from dataset.work import WorkItemId

GZ = CityId("guangzhou")
WHO = CustomerId("440001")
CONTACT = ContactId("0020-7f3a9c21-000001")
FAX = AttachmentId("a0020-7f3a9c21-000001")
NUMBER = "02088886666"
ITEM = WorkItemId("w-0755-7f3a9c21-000001")

CUSTOMER = Customer(
    city=GZ,
    id=WHO,
    name="𠮷田䶮",
    kind=CustomerKind.KEY_ACCOUNT,
    document=Document(kind=DocumentKind.RESIDENT_ID, number="440106198001011234"),
    contact_numbers=("13800000001", NUMBER),
    district="天河",
    special_needs=("hearing",),
    manager=AgentId("1001@guangzhou"),
)
LINE = Line(
    city=GZ,
    number=NUMBER,
    customer=WHO,
    service="install_line",
    status=LineStatus.SUSPENDED,
    features=("caller_id", "forward_busy"),
    district="天河",
    cable="天河-12",
    installed_on=date(1998, 2, 3),
)
ENTRY = DirectoryEntry(
    city=GZ,
    number=NUMBER,
    name="单县𠮷野家饭店",
    aliases=("𠮷野家", "天河分店"),
    pinyin="shanxianjiyejiafandian",
    initials=("sxjyjfd", "dxjyjfd", "jyj", "thfd"),
    category="restaurant",
    district="天河",
    street="体育西路",
    house="103",
)
BILL = Bill(
    city=GZ,
    line=NUMBER,
    month="2026-01",
    customer=WHO,
    items=(
        BillItem(code="monthly_rent", zh="月租费", en="Monthly rent", fen=2500),
        BillItem(code="discount", zh="优惠", en="Discount", fen=-300),
    ),
    total_fen=2200,
    due_on=date(2026, 2, 20),
)
PAYMENT = Payment(
    city=GZ, line=NUMBER, receipt=ReceiptId("p1"), customer=WHO, fen=2200, at=1_770_000_000.0, channel="bank"
)
TARIFF = TariffItem(
    service="install_line",
    code="local_call",
    since=date(2026, 1, 1),
    zh="市话，首三分钟",
    en="Local call, first three minutes",
    fen=22,
    unit=TariffUnit.SECOND,
    per=180,
    regulated=True,
)
ARTICLE = Article(
    id=ArticleId("order-install"),
    version=2,
    owner="市场部",
    topics=("order/install", "order"),
    zh_title="装机须知",
    en_title="Installing a line",
    zh_body="请带身份证。",
    en_body="Bring a document of identity.",
    valid_from=date(2026, 1, 1),
    expires_on=date(2026, 12, 31),
    differences={GZ: CityDifference(zh="广州免手续费。")},
    published=True,
    approved_by="王芳",
)
JUDGEMENT = Judgement(
    city=GZ,
    article=ARTICLE.id,
    version=2,
    agent=AgentId("1001@guangzhou"),
    contact=CONTACT,
    useful=True,
    at=1_790_000_000.0,
)
SAMPLES = (
    Put(CUSTOMERS, CUSTOMER),
    Put(LINES, LINE),
    Put(DIRECTORY, ENTRY),
    Put(TARIFFS, TARIFF),
    Put(BILLS, BILL),
    Put(PAYMENTS, PAYMENT),
    Put(
        CONTACTS,
        PastContact(
            contact=CONTACT,
            city=GZ,
            channel="voice",
            door="112",
            calling="13800000001",
            began_at=1_770_000_000.0,
            ended_at=1_770_000_300.5,
            ending=Ending.COMPLETED,
            customer=WHO,
            customer_city=GZ,
            segments=1,
        ),
    ),
    Put(
        SEGMENTS,
        PastSegment(
            contact=CONTACT,
            n=1,
            site=GZ,
            agent=AgentId("1001@guangzhou"),
            began_at=1_770_000_020.0,
            ended_at=1_770_000_320.0,
            notes="客户称话机无声",
            values={"line": NUMBER, "urgent": True, "times": 2},
        ),
    ),
    Put(
        ATTACHMENTS,
        Attachment(
            id=FAX,
            city=GZ,
            kind="fax",
            name="传真.tif",
            media_type="image/tiff",
            size=3,
            sha256=digest(b"\x00\xffx"),
            parts=1,
            at=1_770_000_000.0,
            contact=CONTACT,
            work_item="w1",
        ),
    ),
    Put(ATTACHMENT_PARTS, AttachmentPart(attachment=FAX, n=0, content=b"\x00\xffx")),
    Put(
        PACKAGES,
        PackageInUse(city=GZ, kind=PackageKind.SERVICE, name="install_line", version="2", since=1_770_000_000.0),
    ),
    Put(ARTICLES, ARTICLE),
    Put(JUDGEMENTS, JUDGEMENT),
    Put(
        WORK_ITEMS,
        WorkRecord(
            city=GZ,
            item=ITEM,
            service="install_line@1",
            line=NUMBER,
            customer=WHO,
            state="accepted",
            opened_in=CityId("shenzhen"),
            opened_at=1_770_000_000.0,
            due_at=1_770_014_400.0,
            revision=2,
        ),
    ),
    Put(
        CHARGES,
        Charge(
            city=GZ,
            line=NUMBER,
            item=ITEM,
            origin="guangzhou/7f3a9c21/12",
            code="installation",
            customer=WHO,
            fen=20_800,
            at=1_770_100_000.0,
        ),
    ),
    Put(
        MESSAGES,
        CustomerMessage(
            city=GZ,
            origin="guangzhou/7f3a9c21/12",
            code="accepted",
            item=ITEM,
            to="13800000001",
            text="您的装机申请已受理。",
            at=1_770_100_000.0,
        ),
    ),
)
