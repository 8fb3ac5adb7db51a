"""The Celery application of a worker: every setting with its reason."""

from __future__ import annotations

from typing import Any

from celery import Celery

from fourtower_ingest.redis_client import broker_settings
from fourtower_workers.assignment import Assignment

LOST_AFTER_S = 1.0
"""How long the parent waits for the result of a child that died; a result travels through a pipe at once."""


def make_app(assignment: Assignment) -> Celery:
    """An application that takes the batches of one generation."""
    app = Celery("fourtower", include=["fourtower_workers.tasks"], set_as_current=False)
    app.conf.update(_settings(assignment))
    return app


def _settings(assignment: Assignment) -> dict[str, Any]:
    worker = assignment.worker
    shared = broker_settings(assignment.redis, visibility_timeout_s=assignment.visibility_timeout_s)
    return {
        **shared,
        # Travels to the children with the configuration; they read no environment and no options of their own.
        "fourtower": assignment,
        # What a worker took and did not acknowledge goes back into the queue after the visibility timeout. By default
        # kombu looks for such tasks every 10 s, but really only each tenth time.
        "broker_transport_options": {
            **shared["broker_transport_options"],
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "health_check_interval": 10,
        },
        # Redis may be away for as long as it likes.
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Another worker, or the ingester, may own the queue's other tasks: no queue but this one is ever read.
        "task_queues": {worker.queue: {"routing_key": worker.queue}},
        "task_default_queue": worker.queue,
        "task_create_missing_queues": False,
        # A child that is killed must not take its task with it unseen, nor run it again unseen: the parent reports the
        # loss, and the ingester decides. (With True, Celery runs it again at once, seven times in eight seconds.)
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "worker_lost_wait": LOST_AFTER_S,
        # True kills children without telling anybody.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # A task that waits inside a worker is one that no other worker can take.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "task_time_limit": worker.time_limit_s,
        # Children that can be killed, one by one; started afresh, for CUDA and gRPC do not survive a fork.
        "worker_pool": "prefork",
        "worker_pool_start_method": "spawn",
        "worker_concurrency": assignment.processes,
        # By default a child must be up within 4 s. The first ones have longer; one that takes a dead one's place has
        # not, so a worker whose model takes longer to load would never recover from a crash.
        "worker_proc_alive_timeout": worker.load_timeout_s,
        # Who can write to Redis could steer the workers; heartbeat files serve the probes.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }
