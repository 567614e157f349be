"""The report in headless Chromium, with no network, operated as a reader would."""

import base64
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from synthetic_study import HOSTILE, Maker

from dse.report import compare, recommendation
from dse.store.results import StudyResults

Report = tuple[StudyResults, Path]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium chromium-driver)"
)

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def opened(browser: webdriver.Chrome, path: Path, width: int = 1280, height: int = 900) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    browser.get(path.as_uri())
    until(lambda: browser.execute_script("return document.body.dataset.ready"))


def trace_number(browser: webdriver.Chrome, plot: str, name: str) -> int:
    names = browser.execute_script("return document.getElementById(arguments[0])._fullData.map(t => t.name)", plot)
    return next(i for i, found in enumerate(names) if found.startswith(name))


def point_at(browser: webdriver.Chrome, plot: str, trace: int, index: int) -> WebElement:
    """Move the pointer over a point of a trace."""
    element = browser.find_element(By.ID, plot)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    x, y = browser.execute_script(
        """const plot = document.getElementById(arguments[0]), layout = plot._fullLayout;
        const data = plot._fullData[arguments[1]], box = plot.getBoundingClientRect();
        return [layout.xaxis._offset + layout.xaxis.d2p(data.x[arguments[2]]) - box.width / 2,
                layout.yaxis._offset + layout.yaxis.d2p(data.y[arguments[2]]) - box.height / 2];""",
        plot, trace, index,
    )  # fmt: skip
    ActionChains(browser).move_to_element_with_offset(element, round(x), round(y)).perform()
    return element


def test_opens_offline_without_a_word_on_the_console(browser: webdriver.Chrome, any_report: Report) -> None:
    opened(browser, any_report[1])
    assert browser.get_log("browser") == []
    plots = browser.find_elements(By.CSS_SELECTOR, ".plot")
    assert all(plot.find_elements(By.CSS_SELECTOR, ".main-svg") for plot in plots)
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith(("data:", "blob:"))] == []


def test_hover_shows_the_design(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page)
    chosen = recommendation(hostile).cheapest
    assert chosen is not None
    trace = trace_number(browser, "plot-front-1", "front, non-inferior")
    point_at(browser, "plot-front-1", trace, 0)
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "#plot-front-1 .hoverlayer .hovertext"))
    shown = browser.find_element(By.CSS_SELECTOR, "#plot-front-1 .hoverlayer .hovertext").text
    assert f"trial {chosen.trial}" in shown
    assert f"{chosen.area_um2:,.0f} µm²" in shown
    assert "<scrip" in shown  # the name itself, as text


def test_legend_hides_and_shows(browser: webdriver.Chrome, hostile_report: Report) -> None:
    opened(browser, hostile_report[1])
    trace = trace_number(browser, "plot-front-1", "dominated")

    def visible() -> object:
        return browser.execute_script(
            "return document.getElementById('plot-front-1')._fullData[arguments[0]].visible", trace
        )

    browser.execute_script("document.getElementById('plot-front-1').scrollIntoView({block: 'center'})")
    entry = next(
        e
        for e in browser.find_elements(By.CSS_SELECTOR, "#plot-front-1 .legend .traces")
        if e.text.startswith("dominated")
    )
    ActionChains(browser).click(entry).perform()
    until(lambda: visible() == "legendonly")


def test_click_opens_the_design_with_names_as_text(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page)
    chosen = recommendation(hostile).cheapest
    assert chosen is not None
    trace = trace_number(browser, "plot-front-2", "front, non-inferior")
    point_at(browser, "plot-front-2", trace, 0)
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "#plot-front-2 .hoverlayer .hovertext"))
    ActionChains(browser).click().perform()
    card = browser.find_element(By.ID, "card")
    until(card.is_displayed)
    assert f"Trial {chosen.trial}" in card.text
    chips = [chip.text for chip in card.find_elements(By.CSS_SELECTOR, ".chips li")]
    assert len(chips) == len(hostile.rescalers)
    assert chips[0].startswith(HOSTILE[0])
    assert chips[3] == f"{HOSTILE[3]} {chosen.multiplier_bits[3]} {chosen.methods[3]}"


def test_numbers_in_the_table_open_the_design(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page, width=390, height=844)
    button = browser.find_element(By.CSS_SELECTOR, ".trial")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    card = browser.find_element(By.ID, "card")
    until(card.is_displayed)
    assert f"Trial {hostile.front['trial'].iloc[0]}\n" in card.text


def test_names_run_nothing(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page)
    assert browser.title.startswith(hostile.facts.study)
    assert browser.find_element(By.CSS_SELECTOR, ".kicker").text.startswith(f"Study {hostile.facts.study}")
    ticks = browser.find_elements(By.CSS_SELECTOR, "#plot-multiplier_bits-1 .ytick text")
    assert str(ticks[0].get_attribute("textContent")).startswith("<script>")


def test_fits_a_phone(browser: webdriver.Chrome, hostile_report: Report) -> None:
    opened(browser, hostile_report[1], width=390, height=844)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    for svg in browser.find_elements(By.CSS_SELECTOR, ".plot .main-svg:first-child"):
        assert svg.size["width"] <= 390
    table = browser.find_element(By.CSS_SELECTOR, ".compare")
    assert table.size["width"] <= 390


def test_print_has_the_paper_figures(browser: webdriver.Chrome, hostile_report: Report) -> None:
    opened(browser, hostile_report[1])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        images = browser.find_elements(By.CSS_SELECTOR, "img.paper")
        assert images
        assert all(image.is_displayed() for image in images)
        assert all(browser.execute_script("return arguments[0].naturalWidth", image) > 100 for image in images)
        assert not any(screen.is_displayed() for screen in browser.find_elements(By.CSS_SELECTOR, ".screen"))
        pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert pdf.startswith(b"%PDF")
    assert 3 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 14


def test_without_scripts_the_paper_figures_show(browser: webdriver.Chrome, hostile_report: Report) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(hostile_report[1].as_uri())
        assert all(image.is_displayed() for image in browser.find_elements(By.CSS_SELECTOR, "img.paper"))
        assert not any(screen.is_displayed() for screen in browser.find_elements(By.CSS_SELECTOR, ".screen"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_comparison_opens_and_its_legend_works(browser: webdriver.Chrome, make: Maker, tmp_path: Path) -> None:
    hostile = make(seed=2, study="<script>alert(3)</script>")
    opened(browser, compare([make(seed=1), hostile], tmp_path))
    assert browser.get_log("browser") == []
    entries = browser.find_elements(By.CSS_SELECTOR, "#plot-compare-1 .legend .traces")
    assert [entry.text for entry in entries] == ["synthetic", hostile.facts.study]
    browser.execute_script("document.getElementById('plot-compare-1').scrollIntoView({block: 'center'})")
    ActionChains(browser).click(entries[1]).perform()
    shown = "return document.getElementById('plot-compare-1')._fullData.map(t => t.visible)"
    until(lambda: browser.execute_script(shown) == [True, True, "legendonly", "legendonly"])
    opened(browser, tmp_path / "compare.html", width=390, height=844)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
