"""What results were made of."""

from tests.inference.predicted import RedMethod, folder, made_run
from vergence.api import predict


def test_a_damaged_result_and_a_damaged_journal_are_made_again(tmp_path):
    frames, out = folder(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path), frames, out)
    whole = (out / "depth" / "001.png").read_bytes()
    (out / "depth" / "001.png").write_bytes(whole[:-9])
    predict(made_run(tmp_path), frames, out)
    assert (out / "depth" / "001.png").read_bytes() == whole
    (out / "results.jsonl").write_text('{"name": 3}\n[\n{"name": "000", "files": [], "made": 1}\nnull\n')
    method = RedMethod()
    assert predict(made_run(tmp_path, method), frames, out)["frames"] == 3
    assert method.shown == 3
