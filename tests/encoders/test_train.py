"""The loop: it learns, it resumes exactly, and it says why it stops."""

import resource
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from fourtower_encoders.batches import Sampler, SamplingConfig
from fourtower_encoders.errors import CheckpointError, TrainingStopped
from fourtower_encoders.metrics_log import read_metrics
from fourtower_encoders.objective import VARIANTS, Objective
from fourtower_encoders.train import TrainConfig, _optimizer, one_cycle, train
from fourtower_encoders.training_state import STATE_FILE

TINY = TrainConfig(steps=8, save_every=4, log_every=1, precision="fp32", sampling=SamplingConfig(batch_size=8))


def changed(config=TINY, **changes):
    return config.model_copy(update=changes)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Interrupted(Exception):
    """The run is killed here."""


def interrupted_after(step, reports):
    def on_step(report):
        reports.append(report)
        if report.step == step:
            raise Interrupted

    return on_step


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("hard_share", [0.0, 0.5])
def test_a_resumed_run_equals_an_uninterrupted_one(make_arrays, make_towers, tmp_path, precision, hard_share):
    """Killed at step 6, saved at step 4; with mined negatives, those in use were found at step 3."""
    sampling = SamplingConfig(batch_size=8, hard_share=hard_share)
    config = changed(precision=precision, sampling=sampling, mine_every=3, variant="4-tower+composed")
    arrays, straight, first, second = make_arrays(), [], [], []
    whole = train(make_towers(), arrays, config, out=tmp_path / "a", on_step=straight.append)

    with pytest.raises(Interrupted):
        train(make_towers(), arrays, config, out=tmp_path / "b", on_step=interrupted_after(6, first))
    resumed = train(
        make_towers(seed=7), arrays, config, out=tmp_path / "b", resume=True, on_step=second.append
    )  # what the towers were before does not matter

    assert [report.step for report in second] == [5, 6, 7, 8]
    assert [report.terms for report in first] == [report.terms for report in straight[:6]]
    assert [report.terms for report in second] == [report.terms for report in straight[4:]]
    assert same(weights(resumed), weights(whole))
    keep = ("step", "loss", "terms", "learning_rate")
    logs = [[{name: line[name] for name in keep} for line in read_metrics(tmp_path / run)] for run in "ab"]
    assert logs[0] == logs[1], "repeated steps are logged once"


def test_hard_negatives_change_the_batches_once_they_are_known(make_arrays, make_towers):
    arrays, runs = make_arrays(), {}
    for share in (0.0, 0.5):
        reports = []
        config = changed(sampling=SamplingConfig(batch_size=8, hard_share=share), mine_every=3)
        train(make_towers(), arrays, config, on_step=reports.append)
        runs[share] = [report.terms for report in reports]
    assert runs[0.0][:3] == runs[0.5][:3]
    assert runs[0.0][3] != runs[0.5][3]


def test_resuming_a_finished_run_changes_nothing(make_arrays, make_towers, tmp_path):
    done = train(make_towers(), make_arrays(), TINY, out=tmp_path)
    again = train(make_towers(seed=1), make_arrays(), TINY, out=tmp_path, resume=True)
    assert same(weights(done), weights(again))
    assert len(read_metrics(tmp_path)) == 8


def test_resuming_needs_the_same_settings_towers_and_data(make_arrays, make_towers, tmp_path):
    train(make_towers(), make_arrays(), TINY, out=tmp_path)
    for towers, arrays, config, name in (
        (make_towers(), make_arrays(), changed(steps=9), "steps"),
        (make_towers(norm="group"), make_arrays(), TINY, r"towers\.image\.norm"),
        (make_towers(), make_arrays(17), TINY, r"data\.pairs, data\.pictures, data\.products"),
    ):
        with pytest.raises(CheckpointError, match=rf"other settings \({name}\)"):
            train(towers, arrays, config, out=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="Train without --resume first"):
        train(make_towers(), make_arrays(), TINY, out=tmp_path / "new", resume=True)


def test_a_tiny_catalog_is_learned_by_heart(make_arrays, make_towers):
    arrays, losses = make_arrays(16, photos=2), []
    towers = make_towers(norm="group")
    config = TrainConfig(
        steps=100,
        learning_rate=1e-2,
        precision="fp32",
        log_every=1,
        sampling=SamplingConfig(batch_size=16, min_crop=0.95, colour_jitter=0.0, flip=0.0),
    )
    train(towers, arrays, config, on_step=lambda report: losses.append(report.terms))
    assert sum(losses[0].values()) > 5
    unambiguous = ("query_image~product_image", "query_image~product_text", "product_image~product_text")
    assert all(losses[-1][name] < 0.1 for name in unambiguous), losses[-1]

    def centre(pictures):
        return torch.from_numpy(np.ascontiguousarray(arrays.pixels[pictures][:, 1:17, 1:17]))

    with torch.no_grad():
        photos = towers.embed_image(centre(arrays.pair_photo), "query_image")
        views = towers.embed_image(centre([int(own[0]) for own in arrays.views]), "product_image")
        titles = towers.embed_text(torch.from_numpy(arrays.titles), "product_text")
    for side in (views, titles):
        assert (photos @ side.T).argmax(dim=1).tolist() == arrays.pair_product.tolist(), "recall@1 is 1"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains_what_it_uses(make_arrays, make_towers, variant):
    towers = make_towers()
    before = weights(towers)
    # Without decay only a gradient moves a weight.
    train(towers, make_arrays(), changed(variant=variant, steps=2, weight_decay=0.0))
    moved = {name for name, value in towers.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("image_network.stem") for name in moved)
    assert any(name.startswith("text_") for name in moved) == (variant != "dml")
    assert not any(name.startswith("mean_") for name in moved)
    assert not towers.training


def test_weights_decay_but_biases_norms_and_temperatures_do_not(make_towers):
    modules = nn.ModuleDict({"towers": make_towers(), "objective": Objective("4-tower")})
    modules["towers"].text_network.table.requires_grad_(False)
    optimizer = _optimizer(modules, TINY)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in modules.named_parameters():
        if name.endswith("table.weight"):
            assert id(parameter) not in decay, "frozen"
        else:
            assert decay[id(parameter)] == (TINY.weight_decay if parameter.ndim >= 2 else 0.0), name
    assert modules["objective"].log_scales["image_image"].ndim < 2


def test_low_precision_starts_where_full_precision_does(make_arrays, make_towers):
    losses = {}
    for precision in ("fp32", "bf16"):
        reports = []
        config = changed(precision=precision, steps=3)
        train(make_towers(norm="group"), make_arrays(), config, on_step=reports.append)
        losses[precision] = [sum(report.terms.values()) for report in reports]
    assert losses["bf16"] != losses["fp32"]
    np.testing.assert_allclose(losses["bf16"], losses["fp32"], rtol=0.03)


def test_one_cycle():
    rates = [one_cycle(step, 100, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([n / 10 for n in range(1, 11)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert 0 < rates[-1] < 0.001
    for steps, warmup in ((1, 0.0), (1, 1.0), (3, 1.0), (2, 0.08)):
        assert all(0 <= one_cycle(step, steps, warmup) <= 1 for step in range(steps))


def test_reports_and_saves_come_when_they_were_asked_for(make_arrays, make_towers, tmp_path):
    steps, saves = [], []
    config = changed(steps=7, log_every=3, save_every=4)
    towers = make_towers()
    train(
        towers,
        make_arrays(),
        config,
        out=tmp_path,
        on_step=lambda report: steps.append((report.step, report.images_per_s > 0)),
        on_save=lambda step, model: saves.append((step, model is towers)),
    )
    assert steps == [(3, True), (6, True), (7, True)]
    assert saves == [(4, True), (7, True)]


class Failing(nn.Module):
    """A network that works until its n-th batch, then does something else; mapping pixels to features."""

    width = 6

    def __init__(self, batches, then):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3 * 16 * 16, self.width)
        self.left, self.then = batches, then

    def forward(self, pixels):
        self.left -= 1
        features = self.layer(pixels.flatten(1))
        return features if self.left >= 0 else self.then(features)


def refuse(error):
    def then(_):
        raise error

    return then


class NanGradient(torch.autograd.Function):
    """Forward as if nothing were wrong."""

    @staticmethod
    def forward(ctx, features):
        return features.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * torch.nan


def test_a_loss_that_is_no_number_stops_the_run(make_arrays, make_towers, tmp_path):
    towers = make_towers(image_network=Failing(5, lambda features: features * torch.nan))
    sentence = r"loss term query_image~product_image became nan by step 6\. Lower --learning-rate\. The last usable"
    with pytest.raises(TrainingStopped, match=sentence) as caught:
        train(towers, make_arrays(), TINY, out=tmp_path)
    assert str(tmp_path / STATE_FILE) in str(caught.value)
    resumed = train(make_towers(image_network=Failing(99, None)), make_arrays(), TINY, out=tmp_path, resume=True)
    assert all(value.isfinite().all() for value in resumed.state_dict().values())


def test_weights_spoiled_by_the_last_update_are_never_saved(make_arrays, make_towers, tmp_path):
    """The loss is computed before the update, so that it is still fine when the gradient is not."""
    towers = make_towers(image_network=Failing(3, NanGradient.apply))
    with pytest.raises(TrainingStopped, match=r"gradient norm became nan by step 4\..*No state was saved before it"):
        train(towers, make_arrays(), TINY, out=tmp_path)
    assert not (tmp_path / STATE_FILE).exists()


def far_too_much(_):
    return torch.empty(1 << 50, dtype=torch.uint8)  # the allocator's own refusal


def far_too_much_by_numpy(*_):
    return np.empty(1 << 60, dtype=np.uint8)


@pytest.mark.parametrize(
    "then", [far_too_much, far_too_much_by_numpy, refuse(torch.OutOfMemoryError("CUDA out of memory."))]
)
def test_running_out_of_memory_names_the_batch_size(make_arrays, make_towers, tmp_path, then):
    for batches, saved in ((2, "No state was saved before it"), (6, "The last usable state is ")):
        towers = make_towers(image_network=Failing(batches, then))
        sentence = rf"^Out of memory with --batch-size 8; choose a smaller one\. {saved}"
        with pytest.raises(TrainingStopped, match=sentence):
            train(towers, make_arrays(), TINY, out=tmp_path)


def test_memory_that_runs_out_while_a_batch_is_drawn_counts_too(make_arrays, make_towers, monkeypatch):
    monkeypatch.setattr(Sampler, "_pixels", far_too_much_by_numpy)
    with pytest.raises(TrainingStopped, match="--batch-size 8"):
        train(make_towers(), make_arrays(), TINY)


def test_other_faults_are_not_explained_away(make_arrays, make_towers):
    towers = make_towers(image_network=Failing(1, refuse(RuntimeError("shapes do not match"))))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(towers, make_arrays(), TINY)


def test_a_full_disk_stops_the_run_with_a_sentence(make_arrays, make_towers, tmp_path):
    """The log fails first, or the state: the kernel refuses to let any file grow beyond the limit."""
    train(make_towers(), make_arrays(), changed(steps=4), out=tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit_bytes, sentence in ((100, r"^Training stopped: .*Mend that"), (5000, r"^Could not save the state after")):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
            with pytest.raises(TrainingStopped, match=rf"{sentence}.*--resume.*{STATE_FILE}|{sentence}.*--resume"):
                train(make_towers(), make_arrays(), changed(steps=4, seed=1), out=tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    train(make_towers(), make_arrays(), changed(steps=4), out=tmp_path, resume=True)


def test_a_curriculum_changes_the_losses_halfway(make_arrays, make_towers, tmp_path):
    config = TrainConfig(
        variant="4-tower", first_variant="dml", steps=5, log_every=1, sampling=SamplingConfig(batch_size=8)
    )
    assert [config.variant_at(step) for step in range(5)] == ["dml", "dml", "dml", "4-tower", "4-tower"]
    train(make_towers(), make_arrays(), config, out=tmp_path)
    assert [len(line["terms"]) for line in read_metrics(tmp_path)] == [1, 1, 1, 5, 5]
