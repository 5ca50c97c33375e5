"""What a person does on the page, in a real browser: regions, directions, edits, history."""

import pytest
import torch

from tests.studio.conftest import SIDE, Page


def inside_of(page: Page, grown: int = 0) -> torch.Tensor:
    """Return where the chosen region with its rim lies, as a mask of the image."""
    mask = (page.mask() > 0).float()[None, None]
    return torch.nn.functional.max_pool2d(mask, 2 * grown + 1, 1, grown)[0, 0] > 0


def test_first_start_shows_an_image_and_says_how_to_go_on(open_page):
    page = open_page()
    assert page.page.locator("#welcome li").count() == 3
    assert page.pixels().shape == (SIDE, SIDE, 3)
    assert len(page.pixels().unique()) > 8
    page.page.click("#welcome button")
    assert page.page.locator("#welcome").is_hidden()
    page.page.reload()
    page.wait("store.images.image")
    assert page.page.locator("#welcome").is_hidden()


def test_region_direction_slider_changes_the_inside_only(page):
    before = page.pixels()
    page.mark("left").choose()
    page.slide(0, -6)
    after, inside = page.pixels(), inside_of(page, grown=round(0.1 * SIDE) + 1)
    assert torch.equal(after[~inside], before[~inside])
    assert (after[inside].int() - before[inside].int()).abs().max() > 4
    assert page.ask("store.numbers.outside") == 0 < page.ask("store.numbers.inside")
    page.slide(0, 0)
    assert torch.equal(page.pixels(), before)


@pytest.mark.slow
def test_a_clicked_part_is_highlighted_then_marked(page):
    page.page.keyboard.press("p")
    page.page.mouse.move(*page.at(0.5, 0.5))
    page.page.mouse.move(*page.at(0.52, 0.5))
    page.wait("store.hovered")
    page.page.mouse.click(*page.at(0.52, 0.5))
    page.wait("store.state.areas.length === 1 && store.images.mask")
    assert page.mask()[SIDE // 2, SIDE // 2] > 127
    page.wait("store.row && store.row.directions.length === 6")


@pytest.mark.slow
def test_brush_and_eraser_paint_and_take_away(page):
    page.page.keyboard.press("b")
    page.stroke((0.3, 0.5), (0.7, 0.5))
    page.wait("store.images.mask")
    painted = page.mask()
    assert painted[SIDE // 2, SIDE // 2] > 127 > painted[2, 2]
    page.page.keyboard.press("e")
    page.stroke((0.5, 0.3), (0.5, 0.7))
    page.wait("store.state.current === 2").settle()
    assert page.mask()[SIDE // 2, SIDE // 2] < 127 < page.mask()[SIDE // 2, int(0.32 * SIDE)]
    size = page.ask("store.brush.size")
    page.page.keyboard.press("]")
    assert page.ask("store.brush.size") > size


@pytest.mark.slow
def test_lasso_adds_subtracts_and_inverts(page):
    page.page.keyboard.press("l")
    page.stroke((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
    page.wait("store.images.mask")
    assert page.mask()[SIDE // 2, SIDE // 2] == 255
    page.page.keyboard.down("Alt")
    page.stroke((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))
    page.page.keyboard.up("Alt")
    page.wait("store.state.current === 2").settle()
    assert page.mask()[SIDE // 2, SIDE // 2] == 0
    page.page.click("[aria-label='Invert the region']")
    page.wait("store.state.current === 3").settle()
    assert page.mask()[SIDE // 2, SIDE // 2] == 255 > page.mask()[SIDE // 4, SIDE // 2]


@pytest.mark.slow
def test_a_new_box_brings_new_directions_at_once(page):
    page.mark("left")
    first = page.ask("JSON.stringify(store.row.directions)")
    page.page.keyboard.press("m")
    page.stroke((0.55, 0.3), (0.9, 0.7))
    page.wait("store.row && store.row.name !== 'left'", seconds=5)
    assert page.ask("JSON.stringify(store.row.directions)") != first


@pytest.mark.slow
def test_three_edits_are_stacked_reordered_and_switched_off(page):
    before = page.pixels()
    page.mark("left").choose(0).choose(1)
    page.mark("right").choose(0, "Less")
    stacked = page.pixels()
    page.page.click("[data-edit='2'] [aria-label='Move down']")
    page.wait("store.state.operations[1].inside === 'right'").settle()
    assert torch.equal(page.pixels(), stacked)  # they lie in two regions: the order changes nothing
    page.page.click("[data-edit='1'] [aria-label='Switch off']")
    page.wait("!store.state.operations[1].enabled").settle()
    right = slice(round(0.62 * SIDE), None)
    assert torch.equal(page.pixels()[:, right], before[:, right])
    assert not torch.equal(page.pixels(), before)
    page.page.click("[data-edit='0'] [aria-label='Duplicate']")
    page.wait("store.state.operations.length === 4")
    page.page.click("[data-edit='0'] [aria-label='Delete']")
    page.wait("store.state.operations.length === 3")


@pytest.mark.slow
def test_undo_goes_past_everything_and_redo_comes_back(page):
    before = page.pixels()
    page.mark("left").choose()
    page.slide(0, 5)
    page.slide(0, -5)
    after, last = page.pixels(), page.ask("store.state.current")
    while page.ask("store.state.undo"):
        version = page.ask("store.state.current")
        page.page.keyboard.press("Control+z")
        page.wait(f"store.state.current !== {version}")
    page.settle()
    assert torch.equal(page.pixels(), before)
    assert page.ask("store.state.operations.length + store.state.areas.length") == 0
    while page.ask("store.state.redo"):
        version = page.ask("store.state.current")
        page.page.keyboard.press("Control+Shift+z")
        page.wait(f"store.state.current !== {version}")
    page.settle()
    assert page.ask("store.state.current") == last
    assert torch.equal(page.pixels(), after)


@pytest.mark.slow
def test_a_branch_is_kept_in_the_history(page):
    page.mark("left").choose()
    kept, version = page.pixels(), page.ask("store.state.current")
    page.page.click("#undo")
    page.wait("store.state.operations.length === 0")
    page.choose(2)
    assert not torch.equal(page.pixels(), kept)
    page.page.click(f"[data-version='{version}']")
    page.wait(f"store.state.current === {version}").settle()
    assert torch.equal(page.pixels(), kept)


@pytest.mark.slow
def test_another_seed_keeps_the_edits_where_that_is_asked(page):
    page.mark("left").choose()
    page.page.click("#choose-image")
    page.page.wait_for_selector("[data-seed='9']")
    page.page.check("#keep-edits")
    page.page.click("[data-seed='9']")
    page.wait("store.state.base.seed === 9").settle()
    assert page.ask("store.state.operations.length") == 1
    page.page.click("#choose-image")
    page.page.fill("#seed", "11")
    page.page.uncheck("#keep-edits")
    page.page.fill("#seed", "11")
    page.page.press("#seed", "Enter")
    page.wait("store.state.base.seed === 11").settle()
    assert page.ask("store.state.operations.length") == 0


@pytest.mark.slow
def test_before_is_shown_while_the_key_is_held(page):
    page.mark("left").choose()
    page.page.keyboard.down("\\")
    page.wait("store.showBefore")
    page.page.keyboard.up("\\")
    page.wait("!store.showBefore")
    page.page.keyboard.press("c")
    page.wait("store.state.heat && store.images.heat")


@pytest.mark.slow
def test_everything_goes_by_keyboard_alone(page):
    page.page.keyboard.press("i")
    page.page.wait_for_selector("#images[open]")
    page.page.keyboard.press("Escape")
    page.page.focus("#named .chip")
    page.page.keyboard.press("Enter")
    page.wait("store.row && store.strips")
    page.page.focus("[data-direction='0'] [aria-label^=More]")
    page.page.keyboard.press("Enter")
    page.wait("store.state.operations.length === 1").settle()
    before, version = page.pixels(), page.ask("store.state.current")
    page.page.focus("[data-edit='0'] input[type=range]")
    for _ in range(12):
        page.page.keyboard.press("ArrowLeft")
    page.wait(f"store.state.current > {version}").settle()
    assert not torch.equal(page.pixels(), before)
    unlabeled = page.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas")].filter((one) =>
        !one.closest("dialog") && !one.getAttribute("aria-label") && !one.textContent.trim() && !one.labels?.length
        && !one.closest("[aria-label]")).map((one) => one.outerHTML)"""
    )
    assert unlabeled == []


@pytest.mark.slow
def test_a_small_window_shows_image_and_panel(page):
    for width, height in ((820, 600), (700, 900)):
        page.page.set_viewport_size({"width": width, "height": height})
        page.page.wait_for_timeout(100)
        x, y = page.at(0.5, 0.5)
        assert 0 < x < width
        assert 0 < y < height
        assert page.page.locator("#regions").is_visible()
        overflow = page.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0


@pytest.mark.slow
def test_an_error_of_the_library_is_shown_as_it_is(page):
    page.page.evaluate(
        """async () => { const { send } = await import("/static/net.js");
        send("region.draw", { how: "new", shape: { kind: "text", text: "moth" } }); }"""
    )
    page.page.wait_for_selector(".toast")
    assert "There is no region 'moth'" in page.page.inner_text(".toast")
    page.mark("left").choose()


@pytest.mark.slow
def test_an_error_is_seen_and_dismissed_while_a_dialog_is_open(page):
    page.page.keyboard.press("?")
    page.page.wait_for_selector("#help[open]")
    page.page.evaluate("""async () => { const { send } = await import("/static/net.js"); send("no such thing"); }""")
    page.page.wait_for_selector("#help .toast:has-text('no such thing')")
    page.page.click("#help .toast button")
    page.page.evaluate("""async () => { const { send } = await import("/static/net.js"); send("nor this"); }""")
    page.page.wait_for_selector("#help .toast")
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector("#stage .toast:has-text('nor this')")


@pytest.mark.slow
def test_two_tabs_are_two_sessions(open_page, served):
    one = open_page()
    other = open_page(served.origin)
    assert one.ask("store.state.session") != other.ask("store.state.session")
    one.page.click("#welcome button")
    one.mark("left").choose()
    assert other.ask("store.state.operations.length") == 0
    assert other.ask("store.state.areas.length") == 0


@pytest.mark.slow
def test_something_of_another_image_becomes_an_edit(page):
    before = page.pixels()
    page.mark("left")
    for kind in ("middle layers", "half of the way", "the region's part"):
        count = page.ask("store.state.operations.length")
        page.page.click("#open-other")
        page.page.click(f'#other [role=radio]:has-text("{kind}")')
        page.page.click("[data-other='7']")
        page.wait(f"store.state.operations.length === {count + 1}").settle()
    assert page.ask("store.state.operations.map((one) => one.kind).join()") == "mix,interpolate,borrow"
    right = slice(round(0.6 * SIDE), None)
    assert torch.equal(page.pixels()[:, right], before[:, right])
    assert not torch.equal(page.pixels(), before)
    page.slide(2, 0.9)


@pytest.mark.slow
def test_the_same_edits_are_tried_on_others_and_one_is_taken(page):
    page.mark("left").choose()
    page.page.click("#open-trials")
    page.page.wait_for_selector("[data-trial-image='seed 5'][src^=blob]")
    page.page.click("#trials button:has-text('Later')")
    page.page.wait_for_selector("[data-trial-image='seed 11'][src^=blob]")
    page.page.click("[data-trial='seed 11']")
    page.wait("store.state.base.seed === 11").settle()
    assert page.ask("store.state.operations.length") == 1


@pytest.mark.slow
def test_directions_are_saved_by_name_loaded_elsewhere_and_left_again(page):
    page.mark("left")
    first = page.ask("store.row.directions[1].ratio")
    page.page.click("#more summary")
    page.page.click("#open-directions")
    page.page.fill("#saved-name", "smile <b>")
    page.page.select_option("#saved-which", "1")
    page.page.click("#saved-save")
    page.wait("store.state.saved.length === 1")
    page.page.keyboard.press("Escape")
    page.mark("right")
    page.page.click("#open-directions")
    page.page.click("[data-saved] .name")
    page.wait("store.row && store.row.source && store.row.directions.length === 1")
    assert page.ask("store.row.directions[0].ratio") == first
    page.choose(0)
    page.page.click("#row-source button")
    page.wait("store.row && !store.row.source && store.row.directions.length === 6")


@pytest.mark.slow
def test_a_strong_edit_is_corrected_and_keeps_the_outside(page):
    before = page.pixels()
    page.mark("left").choose()
    page.slide(0, 6)
    straight = page.pixels()
    page.page.click("[data-edit='0'] .more summary")
    page.page.click("[data-way=corrected]")
    page.wait("store.state.operations[0].method === 'corrected' && !store.jobs.jobs.length").settle()
    page.wait("store.likeness")
    corrected, inside = page.pixels(), inside_of(page, grown=round(0.1 * SIDE) + 1)
    assert not torch.equal(corrected, straight)
    assert torch.equal(corrected[~inside], before[~inside])
    assert page.ask("store.likeness.value") > 0
    page.page.click("#undo")
    page.wait("store.state.operations[0].method === 'straight'").settle()
    assert torch.equal(page.pixels(), straight)
