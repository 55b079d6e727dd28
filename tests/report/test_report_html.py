"""The page's part about a check."""

from bot.report.render import render_check_html


def test_the_page_has_everything_the_comment_folds_or_cuts(samples):
    html = str(render_check_html(samples.many_packages()))
    assert html.count("<code>texlive-") >= 300
    assert '<article class="check success">' in html
    assert "<strong>nginx</strong> grows from 57 to 87 MB" in html
    assert "\u2026 and" not in html


def test_figures_stand_to_the_right(samples):
    html = str(render_check_html(samples.predicted()))
    assert '<th scope="col" class="figure">Installed</th>' in html
    assert '<td class="figure">19.3 MB</td>' in html


def test_the_graph_is_there_as_source(samples):
    assert '<pre class="mermaid">graph LR' in str(render_check_html(samples.predicted()))


def test_it_can_be_put_in_a_page_as_it_is(samples):
    assert hasattr(render_check_html(samples.predicted()), "__html__")
