"""lm-evaluation-harness over the server, tokens by the server, no hub: its log-likelihoods are `apus perplexity`'s."""

import json
import os
import subprocess

import pytest
import yaml
from serving import ALIAS, BINARY, MODEL_FILE, PATIENCE

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}
TASK = "sums"
COUNT = 50
# Float32 sums of the same bits, in another order.
TOLERANCE = 1e-4


def items():
    """Sums with two answers each, the right one in turns first and last."""
    for i in range(COUNT):
        a, b = 3 + 7 * i % 40, 2 + 11 * i % 30
        right, wrong = f"{a + b}, because {a} and {b} are {a + b}", f"{a + b + 1 + i % 3}"
        choices = [right, wrong] if i % 2 == 0 else [wrong, right]
        yield {"question": f"What is {a} plus {b}?", "choices": choices, "label": i % 2}


@pytest.fixture(scope="module")
def samples(server, tmp_path_factory):
    """What the harness has measured, an object for each item."""
    folder = tmp_path_factory.mktemp("tasks")
    os.environ["HF_HOME"] = str(folder / "home")
    import lm_eval
    from lm_eval.tasks import TaskManager

    (folder / "items.json").write_text("\n".join(json.dumps(item) for item in items()))
    task = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "items.json")}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "choices",
        "doc_to_target": "label",
        "metric_list": [{"metric": "acc"}],
    }
    (folder / "sums.yaml").write_text(yaml.safe_dump(task))
    results = lm_eval.simple_evaluate(
        model="local-completions",
        model_args={
            "model": ALIAS,
            "base_url": server.url + "/v1/completions",
            "tokenizer_backend": "remote",
            "num_concurrent": 4,
            "max_retries": 1,
            "timeout": PATIENCE,
        },
        tasks=[TASK],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )
    assert results["n-samples"][TASK]["effective"] == COUNT
    # Chance is a half, and the wrong answers are shorter.
    assert 0 <= results["results"][TASK]["acc,none"] <= 1
    return results["samples"][TASK]


def test_log_likelihoods(server, samples, tmp_path):
    """Every one of them, and whether it is the likeliest text, is what the command says of the same tokens."""
    assert len(samples) == COUNT
    for sample in samples:
        for (context, continuation), ((value, is_greedy),) in zip(
            sample["arguments"].values() if isinstance(sample["arguments"], dict) else sample["arguments"],
            sample["resps"],
            strict=True,
        ):
            expected = likelihoods(server, tmp_path, context, continuation)
            assert value == pytest.approx(-sum(expected), abs=TOLERANCE * len(expected))
            assert isinstance(is_greedy, bool)


def likelihoods(server, folder, context, continuation):
    """The negative log-likelihoods of the continuation's tokens, by `apus perplexity`."""

    def ids(text):
        return server.post("/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]

    whole = ids(context + continuation)
    (folder / "ids.json").write_text(json.dumps(whole))
    command = [BINARY, "perplexity", "-m", MODEL_FILE, "--ids", folder / "ids.json", "-c", "256", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
    return json.loads(done.stdout)["nll"][len(ids(context)) - 1 :]
