"""The report in headless Chromium, with no network, operated as a reader would."""

import base64
import re
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

from dse.report import compare, write_report
from dse.store.results import StudyResults
from dse.verdict import choices

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


def point_at(browser: webdriver.Chrome, plot: str, layer: str, index: int) -> WebElement:
    """Move the pointer over a mark of a layer."""
    mark = browser.find_elements(By.CSS_SELECTOR, f"#{plot} .{layer}_marks path")[index]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
    ActionChains(browser).move_to_element(mark).perform()
    return mark


def front_position(results: StudyResults, trial: int) -> int:
    """Where a design stands among the marks of the front."""
    return list(results.front["trial"]).index(trial)


def tooltip(browser: webdriver.Chrome) -> str:
    """What the pointer shows, once it shows something."""
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "#vg-tooltip-element.visible"))
    return browser.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible").text


def legend_entry(browser: webdriver.Chrome, plot: str, label: str) -> WebElement:
    """An entry of a legend, in view."""
    browser.execute_script("document.getElementById(arguments[0]).scrollIntoView({block: 'center'})", plot)
    labels = browser.find_elements(By.CSS_SELECTOR, f"#{plot} .role-legend-label text")
    return next(entry for entry in labels if entry.text.startswith(label))


def opacities(browser: webdriver.Chrome, plot: str, layer: str) -> set[float]:
    """Opacities of all marks of a layer."""
    marks = browser.find_elements(By.CSS_SELECTOR, f"#{plot} .{layer}_marks path")
    return {float(mark.get_attribute("opacity") or 1) for mark in marks}


def test_opens_offline_without_a_word_on_the_console(browser: webdriver.Chrome, any_report: Report) -> None:
    opened(browser, any_report[1])
    assert browser.get_log("browser") == []
    plots = browser.find_elements(By.CSS_SELECTOR, ".plot")
    assert all(plot.find_elements(By.CSS_SELECTOR, "svg.marks") for plot in plots)
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith(("data:", "blob:"))] == []


def test_hover_shows_the_design(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page)
    chosen = choices(hostile, hostile.front)[1]
    point_at(browser, "plot-front-1", "front_rescaler_area_um2_designs", front_position(hostile, chosen.trial))
    shown = tooltip(browser)
    assert f"trial {chosen.trial}" in shown
    assert f"{chosen.area_um2:,.0f} µm²" in shown
    assert "<scrip" in shown  # the name itself, as text


def test_legend_highlights_one_kind_of_design(browser: webdriver.Chrome, hostile_report: Report) -> None:
    opened(browser, hostile_report[1])
    plot, layer = "plot-front-1", "front_rescaler_area_um2_dominated"
    assert opacities(browser, plot, layer) == {1.0}
    ActionChains(browser).click(legend_entry(browser, plot, "int32 (Q31)")).perform()
    until(lambda: opacities(browser, plot, layer) == {0.1})
    assert opacities(browser, plot, "front_rescaler_area_um2_int32") == {0.1, 1.0}  # the fine-tuned one fades
    ActionChains(browser).move_to_element_with_offset(browser.find_element(By.ID, plot), 200, -120).click().perform()
    until(lambda: opacities(browser, plot, layer) == {1.0})


def test_double_click_undoes_a_zoom(browser: webdriver.Chrome, hostile_report: Report) -> None:
    opened(browser, hostile_report[1])
    plot = browser.find_element(By.ID, "plot-front-1")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)

    def ticks() -> list[str]:
        return sorted(tick.text for tick in plot.find_elements(By.CSS_SELECTOR, ".role-axis-label text"))

    before = ticks()
    ActionChains(browser).drag_and_drop_by_offset(plot, 40, 90).perform()
    until(lambda: ticks() != before)
    ActionChains(browser).move_to_element_with_offset(plot, 150, 20).double_click().perform()
    until(lambda: ticks() == before)


def test_click_opens_the_design_with_names_as_text(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page)
    chosen = choices(hostile, hostile.front)[1]
    point_at(browser, "plot-front_energy-1", "front_rescaler_energy_nj_designs", front_position(hostile, chosen.trial))
    tooltip(browser)
    ActionChains(browser).click().perform()
    card = browser.find_element(By.ID, "card")
    until(card.is_displayed)
    assert f"Trial {chosen.trial}" in card.text
    chips = [chip.text for chip in card.find_elements(By.CSS_SELECTOR, ".chips li")]
    assert len(chips) == len(hostile.rescalers)
    assert chips[0].startswith(HOSTILE[0])
    assert chips[3] == f"{HOSTILE[3]} {chosen.multiplier_bits[3]} {chosen.methods[3]}"


def test_beside_a_mark_the_front_is_picked(browser: webdriver.Chrome, typical_report: Report) -> None:
    typical, page = typical_report
    opened(browser, page)
    trial = int(typical.front["trial"].iloc[-1])
    mark = point_at(browser, "plot-front-1", "front_rescaler_area_um2_designs", front_position(typical, trial))
    ActionChains(browser).move_to_element_with_offset(mark, 8, 0).perform()  # outside of the mark, in its target
    until(lambda: re.match(rf"trial {trial}\b", tooltip(browser)))
    ActionChains(browser).click().perform()
    card = browser.find_element(By.ID, "card")
    until(card.is_displayed)
    assert f"Trial {trial}\n" in card.text


def test_the_decision_is_above_the_fold(browser: webdriver.Chrome, typical_report: Report) -> None:
    opened(browser, typical_report[1], width=1440, height=900)
    for selector, count in ((".headline", 1), (".tile", 3), ("#plot-front-1 svg.marks", 1)):
        shown = browser.find_elements(By.CSS_SELECTOR, selector)
        assert len(shown) == count
        assert all(one.rect["y"] + one.rect["height"] <= 900 for one in shown), selector


def test_numbers_in_the_table_open_the_design(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page, width=390, height=844)
    button = browser.find_element(By.CSS_SELECTOR, ".trial")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    card = browser.find_element(By.ID, "card")
    until(card.is_displayed)
    assert f"Trial {hostile.front['trial'].iloc[0]}\n" in card.text
    card.find_element(By.CSS_SELECTOR, ".close").click()
    until(lambda: not card.is_displayed())


def test_names_run_nothing(browser: webdriver.Chrome, hostile_report: Report) -> None:
    hostile, page = hostile_report
    opened(browser, page)
    assert browser.title.startswith(hostile.facts.study)
    assert browser.find_element(By.CSS_SELECTOR, ".kicker").text.split(" · ")[1] == f"Study {hostile.facts.study}"
    ticks = browser.find_elements(By.CSS_SELECTOR, "#plot-multiplier_bits-1 .role-axis-label text")
    assert any(str(tick.get_attribute("textContent")).startswith("<script>") for tick in ticks)


def test_fits_a_phone(browser: webdriver.Chrome, hostile_report: Report) -> None:
    opened(browser, hostile_report[1], width=390, height=844)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    for svg in browser.find_elements(By.CSS_SELECTOR, ".plot svg.marks"):
        assert svg.size["width"] <= 390
    table = browser.find_element(By.CSS_SELECTOR, ".compare")
    assert table.size["width"] <= 390
    for cell in table.find_elements(By.CSS_SELECTOR, "td"):
        assert browser.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", cell), cell.text


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
    plot = "plot-compare-1"
    labels = browser.find_elements(By.CSS_SELECTOR, f"#{plot} .role-legend-label text")
    assert [label.text for label in labels] == ["synthetic", hostile.facts.study]
    ActionChains(browser).click(legend_entry(browser, plot, hostile.facts.study)).perform()
    until(lambda: opacities(browser, plot, "compare_rescaler_area_um2_designs") == {0.1, 1.0})
    opened(browser, tmp_path / "compare.html", width=390, height=844)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


def test_a_long_report_shows_the_rescalers_that_its_reader_asks_for(
    browser: webdriver.Chrome, make: Maker, tmp_path: Path
) -> None:
    names = tuple(f"{'add' if n % 5 == 4 else 'conv'}_{n}" for n in range(90))
    opened(browser, write_report(make(names=names, rescalers=90, trials=20), tmp_path))

    def rows() -> list[str]:
        labels = "#plot-multiplier_bits-1 .role-axis-label text"
        script = "return Array.from(document.querySelectorAll(arguments[0]), (label) => label.textContent)"
        return [text for text in browser.execute_script(script, labels) if text in names]

    assert rows() == list(names)  # no name is left out
    plot = browser.find_element(By.ID, "plot-multiplier_bits-1")
    assert plot.size["height"] < browser.execute_script("return arguments[0].scrollHeight", plot)  # it scrolls in place
    button = next(
        each for each in browser.find_elements(By.CSS_SELECTOR, "#filter button") if each.text.startswith("add")
    )
    browser.execute_script("arguments[0].click()", button)
    until(lambda: rows() == [name for name in names if name.startswith("add")])
    browser.find_element(By.ID, "filter-text").send_keys("_8")
    until(lambda: rows() == ["add_84", "add_89"])
    assert browser.find_element(By.ID, "filter-count").text == "2 of 90 shown"
    browser.find_element(By.ID, "filter-text").send_keys("no such name")
    until(lambda: browser.find_element(By.ID, "filter-count").text == "0 of 90 shown")
    assert rows() == ["add_84", "add_89"]  # an empty picture would show nothing
    assert browser.get_log("browser") == []
