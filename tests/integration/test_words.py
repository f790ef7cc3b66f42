"""What people read is what the documents of the RPA console say: their words in Chinese, the product's in English.

The words are copied from the documents; each is looked for on its page. Where they say 取消 the console may say 已取消.
"""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest

from schemas.blocks import BLOCK_KINDS
from tests.fakes.box import Box
from tests.integration.jobs_list import words

FORM = {"HX-Request": "true"}
_SHOWN = re.compile(r'(?:title|placeholder|aria-label|label)="([^"]*)"')


class Console:
    """A box with a job in each state, from each source, and one that was tried five times."""

    def __init__(self, folder: Path) -> None:
        self.box = box = Box(folder)
        box.yard.must("queue.put", queue="main")
        box.yard.flow()
        self.robot = box.yard.robot("r1")
        self.tried = self._tried()
        for source in ("manual", "schedule", "api", "resend", "child"):
            self._ends(box.submit(source={"type": source}))
        self._cancelled()
        self.running = box.submit(target={"robots": ["r1"]})
        self.robot.accept()
        self.robot.beat(self.robot.hold())
        box.yard.robot("r2", "other")
        self.assigned = box.submit(target={"robots": ["r2"]})
        self.queued = box.submit()
        self.far = self._offered()

    def _tried(self) -> str:
        """Five attempts that failed."""
        uid = self.box.submit(max_retries=4)
        for _ in range(5):
            self.robot.accept()
            self.robot.say(self.robot.about("failed", reason="the gripper slipped"))
            self.robot.beat()
            before = len(self.robot.all("assign"))
            for _turn in range(90):
                if len(self.robot.all("assign")) > before:
                    break
                self.box.yard.tick(1, step=1, beating=True)
        assert self.box.yard.state(uid) == "failed"
        return uid

    def _ends(self, uid: str) -> None:
        self.robot.accept()
        self.robot.say(self.robot.about("succeeded"))
        self.robot.beat()
        assert self.box.yard.state(uid) == "succeeded"

    def _cancelled(self) -> None:
        self.cancelled = self.box.submit()
        self.robot.accept()
        self.box.must("POST", f"/jobs/{self.cancelled}/cancel", {}, 202)
        self.robot.say(self.robot.about("cancelled"))
        self.robot.beat()

    def _offered(self) -> str:
        """An offer that its robot did not want."""
        robot = self.box.yard.robot("r3", "third")
        uid = self.box.submit(target={"robots": ["r3"]})
        robot.say(robot.about("rejected", reason="the door is open"))
        return uid

    def read(self, lang: str, *paths: str) -> str:
        """What these pages say, with what stands in fields and is read out."""
        found = []
        for path in paths:
            answer = self.box.http.get(path, headers={"Accept-Language": lang, **FORM})
            assert answer.status_code == 200, (path, answer.text[:300])
            html = answer.text.partition("<main")[2] or answer.text
            found += [words(html), *(unescape(text) for text in _SHOWN.findall(html))]
        return "\n".join(found)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Only looked at."""
    made = Console(tmp_path_factory.mktemp("console"))
    yield made
    made.box.close()


Pages = Callable[[Console], tuple[str, ...]]
Row = tuple[Pages, str, str]


def jobs(_: Console) -> tuple[str, ...]:
    return ("/jobs",)


def attempts(*names: str) -> Pages:
    return lambda console: tuple(f"/jobs/{getattr(console, name)}/attempts" for name in names)


def detail(console: Console) -> tuple[str, ...]:
    return (f"/jobs/{console.running}",)


ROWS: dict[str, Row] = {
    "page": (jobs, "任务记录", "Jobs"),
    "job and attempt": (jobs, "任务 · 执行实例", "Job · Attempt"),
    "job states": (
        jobs, "等待 · 已分配 · 运行中 · 成功 · 失败 · 取消",
        "Queued · Assigned · Running · Succeeded · Failed · Cancelled",
    ),
    "attempt states": (
        attempts("tried", "running", "assigned", "cancelled"), "创建 · 运行 · 失败 · 取消",
        "Created · Running · Failed · Cancelled",
    ),
    "job list": (
        jobs, "任务来源 · 创建时间 · 开始时间 · 结束时间 · 状态 · 任务优先级",
        "Source · Created · Started · Ended · State · Priority",
    ),
    "expand": (lambda console: ("/jobs", f"/jobs/{console.tried}/attempts"), "展开 · 展开更多", "Expand · Show 2 more"),
    "attempt columns": (jobs, "执行机器人 · 开始时间 · 结束时间 · 状态", "Robot · Started · Ended · State"),
    "row buttons": (attempts("queued"), "查看 · 日志 · 调整优先级 · 取消", "View · Log · Change priority · Cancel"),
    "top right": (
        jobs, "批量操作 · 批量调整优先级 · 批量执行 · 批量取消执行", "Batch · Priority · Execute again · Cancel",
    ),
    "top left": (
        lambda _: ("/jobs", "/jobs/filter"), "流程部署名称 · 时间 · 状态", "Deployment name · Of what · State",
    ),
    "detail": (detail, "任务详情 · 执行基本信息 · 参数信息 · 查看日志",
               "Job details · Basic information · Parameters · View logs"),
    "log page": (
        detail, "日志时间 · 日志类型 · 日志级别 · 日志内容 · 日志截图 · 日志切换 · 视频记录",
        "Log time · Log type · Log level · Log content · Log screenshot · Switch log · Video",
    ),
    "source values": (
        jobs, "手动执行 · 任务计划 · 接口 · 重发 · 子任务", "manual · schedule · API · re-send · child job",
    ),
    "assets": (lambda _: ("/assets",), "资产管理", "Assets"),
}  # fmt: skip


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", ROWS)
def test_the_words_of_the_documents_stand_on_their_pages(console: Console, name: str, lang: str) -> None:
    pages, chinese, english = ROWS[name]
    text = console.read(lang, *pages(console))
    assert [word for word in (chinese if lang == "zh" else english).split(" · ") if word not in text] == []


@pytest.mark.parametrize(("lang", "word"), [("zh", "成功"), ("en", "Succeeded")])
def test_an_attempt_that_succeeded_says_so(console: Console, lang: str, word: str) -> None:
    done = console.box.must("GET", "/jobs?state=succeeded&limit=1")["items"][0]["id"]
    assert word in console.read(lang, f"/jobs/{done}/attempts")


def test_a_chinese_page_has_no_english_states_and_an_english_one_no_chinese_words(console: Console) -> None:
    chinese = console.read("zh", "/jobs", f"/jobs/{console.running}", f"/jobs/{console.tried}/attempts")
    for word in ("Queued", "Running", "Succeeded", "Failed", "Cancelled", "Priority", "Created at"):
        assert word not in chinese, word
    english = console.read("en", "/jobs", f"/jobs/{console.running}", f"/jobs/{console.tried}/attempts")
    assert re.findall(r"[\u4e00-\u9fff]+", english) == []


def test_an_offer_that_was_refused_is_listed_as_cancelled_with_its_reason_and_counts_nowhere(console: Console) -> None:
    text = console.read("zh", f"/jobs/{console.far}/attempts")
    assert "取消" in text
    assert "the door is open" in text
    found = console.box.must("GET", f"/jobs/{console.far}")
    assert (found["attempt_count"], found["state"]) == (0, "queued")
    assert not re.search(r"第 \d+ 次执行", text)


def test_the_three_attempts_shown_first_are_the_newest(console: Console) -> None:
    text = console.read("zh", f"/jobs/{console.tried}/attempts")
    assert re.findall(r"第 (\d) 次执行", text) == ["5", "4", "3"]
    assert re.findall(r"\b(\d/\d)\b", text) == ["5/5", "4/5", "3/5"]


def test_the_time_filter_is_about_creation_unless_it_is_switched(console: Console) -> None:
    html = console.box.http.get("/jobs/filter", headers=FORM).text
    choices = re.search(r'<select[^>]*name="by"[^>]*>(.*?)</select>', html, re.DOTALL)
    assert choices is not None
    options = re.findall(r'<option value="(\w*)"( selected)?', choices[1])
    assert [name for name, _ in options] == ["", "started", "ended"]
    assert [name for name, selected in options if selected] in ([], [""])
    assert words(choices[1].partition("</option>")[0]) == "created"


# ---------------------------------------------------------------- blocks
NAMED = {"RootBp": "根节点", "CSelectAgvBp": "选择执行机器人块", "PrintBp": "打印块"}
"""Those that the documents name; the others are ours."""


def test_every_kind_of_block_has_a_chinese_name() -> None:
    assert {kind: BLOCK_KINDS[kind].name.zh for kind in NAMED} == NAMED
    assert [kind for kind, row in BLOCK_KINDS.items() if not re.search(r"[\u4e00-\u9fff]", row.name.zh)] == []
