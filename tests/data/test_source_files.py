"""Files of a case, also those in a folder of slices."""

from adpfl_bench.data.case import Case


def test_what_is_hidden_or_a_folder_is_no_slice(tmp_path):
    slices, label = tmp_path / "slices", tmp_path / "label.nii.gz"
    (slices / "more").mkdir(parents=True)
    for path in (slices / "2.tif", slices / "1.tif", slices / ".DS_Store", slices / "more/3.tif", label):
        path.touch()
    case = Case(case_id="a", patient_id="a", images=(slices, slices), label=label)
    assert case.source_files() == [slices / "1.tif", slices / "2.tif", label]
