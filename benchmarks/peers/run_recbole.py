"""One RecBole model on a split that `peers.py` wrote: `python run_recbole.py SPLIT.npz MODEL FOLDER`.

Prints one line of JSON: seconds of each epoch and of each full evaluation. Normal training, one thread.
"""

import json
import sys
from pathlib import Path

import numpy as np
import recbole
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
from timing import seconds_of

SIZES = {  # as ours
    "BPR": {"embedding_size": 32},
    "NeuMF": {
        "mf_embedding_size": 32,
        "mlp_embedding_size": 128,
        "mlp_hidden_size": [128, 64, 32],
        "dropout_prob": 0.0,
    },
    "CDAE": {"embedding_size": 32, "train_neg_sample_args": None},
    "LightGCN": {"embedding_size": 64, "n_layers": 3},
}


def write(split, folder: Path):
    """The split as RecBole's atomic files."""
    (folder / "clicks").mkdir(parents=True, exist_ok=True)
    for name, part in (("train", "train"), ("valid", "valid"), ("test", "truth")):
        pairs = np.stack([split[f"{part}.users"], split[f"{part}.items"]], 1)
        lines = ["user_id:token\titem_id:token", *(f"{user}\t{item}" for user, item in pairs.tolist())]
        (folder / "clicks" / f"clicks.{name}.inter").write_text("\n".join(lines) + "\n")


def main(path: str, model: str, folder: str):
    """Trains and evaluates a few times."""
    torch.set_num_threads(1)
    split, folder = np.load(path), Path(folder)
    write(split, folder)
    settings = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "train_batch_size": 2048,
        "eval_batch_size": 1 << 20,
        "eval_args": {"order": "RO", "mode": "full", "group_by": "user"},
        "metrics": ["Recall", "NDCG"],
        "topk": split["k"].tolist(),
        "valid_metric": f"NDCG@{split['k'].max()}",
        "use_gpu": False,
        "show_progress": False,
        "state": "ERROR",
    }
    config = Config(model=model, dataset="clicks", config_dict=settings | SIZES[model])
    init_seed(config["seed"], config["reproducibility"])
    train, _, test = data_preparation(config, create_dataset(config))
    net = get_model(model)(config, train.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], model)(config, net)
    epochs = [seconds_of(lambda: trainer._train_epoch(train, 0, show_progress=False)) for _ in range(4)]
    how = {"load_best_model": False, "show_progress": False}
    evaluations = [seconds_of(lambda: trainer.evaluate(test, **how)) for _ in range(4)]
    versions = {"recbole": recbole.__version__, "torch": torch.__version__, "numpy": np.__version__}
    found = {"model": model, "method": "Normal", "versions": versions}
    print(json.dumps(found | {"epoch": epochs[1:], "evaluation": evaluations[1:]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
