from fuzzconv.campaign.vulkan_lane import layer_forms

PARAM = """7767517
3 3
Input                    in0                      0 1 in0
Convolution              conv_0                   1 1 in0 1 0=16 1=3 11=3 5=1 6=432 9=1
Clip                     clip_1                   1 1 1 out0 0=0.000000e+00 1=6.000000e+00
"""


def test_sizes_count_by_pack_divisibility_and_floats_not_at_all() -> None:
    assert list(layer_forms(PARAM)) == ["Convolution 0=8n 11=3 1=3 5=1 6=8n 9=1", "Clip 0=f 1=f"]


def test_sizes_of_one_class_are_one_form() -> None:
    forms = {next(layer_forms(PARAM.replace("0=16", f"0={n}").replace("6=432", "6=7"))) for n in (8, 16, 24)}
    assert len(forms) == 1


def test_an_odd_size_is_another_form() -> None:
    assert list(layer_forms(PARAM.replace("0=16", "0=17"))) != list(layer_forms(PARAM))
