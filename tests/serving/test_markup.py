"""The page's HTML: everything that comes from files and models is text."""

from vergence.serving import markup

ABOUT = {
    "name": "<b>run", "tasks": ["depth", "segmentation"], "unit": "metres", "classes": [{}, {}], "step": 7,
    "digest": "0123456789abcdef", "device": "cpu", "licence": "the authors' & others",
}  # fmt: skip
BAR = {"colours": ["#000000", "#ffffff"], "low": "80", "middle": "4", "high": "2", "of": "depth, metres"}
LEGEND = [{"name": "<i>", "colour": [1, 2, 3], "share": 0.5}, {"name": "car", "colour": [4, 5, 6], "share": 0.001}]


def test_a_heading() -> None:
    html = markup.heading(ABOUT)
    assert "<h1>&lt;b&gt;run</h1>" in html
    assert "depth and classes" in html
    assert "The authors&#x27; &amp; others" in html
    assert "0123456789ab<" in html


def test_figures_bars_legends_files_and_a_cloud() -> None:
    figures = [{"title": "Depth", "file": "d.png", "text": "2 to 80 m", "bar": BAR},
               {"title": "Classes", "file": "c.jpg", "text": "<2>", "legend": LEGEND}]  # fmt: skip
    said = {"figures": figures, "files": [("All <maps>", "a.npz")], "cloud": "a.glb"}
    html = markup.result(said, "results/x")
    for part in ('src="results/x/d.png"', "linear-gradient(to right,#000000,#ffffff)", "<span>80</span>",
                 "rgb(1,2,3)", "&lt;i&gt; <small>50%", "&lt;1%", "&lt;2&gt;", 'data-cloud="results/x/a.glb"',
                 '<a href="results/x/a.npz" download>All &lt;maps&gt;</a>'):  # fmt: skip
        assert part in html, part
    assert "<i>" not in html
    assert "<video" not in html
    video = markup.result({**said, "cloud": None, "video": {"file": "v.mp4", "text": "9 frames"}}, "results/x")
    assert 'src="results/x/v.mp4"' in video
    assert "<canvas" not in video


def test_trouble_and_worst_frames() -> None:
    assert markup.trouble("it <is> broken.").endswith('">It &lt;is&gt; broken.</p>')
    html = markup.worst([{"file": "w.jpg", "name": "a<b", "measure": "miou", "value": 0.123456}], "results/w")
    assert "<b>a&lt;b</b> miou 0.123" in html
