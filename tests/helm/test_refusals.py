"""What would be insecure, or contradicts itself, is not rendered, and one sentence says what to change."""

import pytest
from tests.helm.rendering import GPU, PRODUCTION, REINDEX, TRIAL, Refused, render

REFUSED = {
    "two generations are live": (REINDEX, {"generations.g2.live": True}, "g1, g2 are; set live: true in the one"),
    "none is live": (
        PRODUCTION,
        {"generations.g1.live": False},
        "Exactly one of generations must be live, and none is",
    ),
    "no generations at all": (TRIAL, {"generations.g1": None}, "Exactly one of generations must be live"),
    "a live generation without workers": (TRIAL, {"generations.g1.workers.cpu": None}, "is live and has no workers"),
    "a live generation without dead letters": (
        TRIAL,
        {"generations.g1.deadLetters": False},
        "writes no dead letters, so what can't be indexed would be lost",
    ),
    "a model that is not described": (
        TRIAL,
        {"generations.g1.model": "other"},
        'is "other", which models does not have',
    ),
    "one group for two generations": (
        REINDEX,
        {"generations.g2.group": "fourtower"},
        "share the consumer group fourtower",
    ),
    "another group than the one that is recorded": (
        REINDEX,
        {"generations.g2.group": "other"},
        "has the consumer group other, and `fourtower reindex start` begins generation 2 with fourtower.g2",
    ),
    "two catalogs": (
        PRODUCTION,
        {"generations.g1.catalog.inline": "[attributes.a]"},
        "both inline and existingConfigMap",
    ),
    "a volume without a claim": (
        PRODUCTION,
        {"models.first.existingClaim": ""},
        'models.first comes from "volume" and needs existingClaim',
    ),
    "a download without its hash": (
        TRIAL,
        {"models.other": {"source": "download", "url": "https://files.shop.example/m.tar"}},
        'models.other comes from "download" and needs sha256',
    ),
    "a download in the clear": (REINDEX, {"models.second.url": "http://files.shop.example/m.tar"}, "without TLS"),
    "no Kafka": (TRIAL, {"kafka.bootstrap": ""}, "kafka.bootstrap is empty"),
    "no Milvus": (TRIAL, {"milvus.address": ""}, "milvus.address is empty"),
    "Kafka in the clear": (
        PRODUCTION,
        {"kafka.securityProtocol": "SASL_PLAINTEXT"},
        "which anybody on the way can read",
    ),
    "Kafka without users": (
        PRODUCTION,
        {"kafka.securityProtocol": "SSL"},
        "SSL without a certificate of our own, so the brokers can't tell who we are",
    ),
    "a role without a user": (
        PRODUCTION,
        {"kafka.auth.existingSecret": "", "kafka.roles.reconciler.existingSecret": ""},
        "the role reconciler has no user",
    ),
    "Redis without a password": (
        PRODUCTION,
        {"redis.auth.existingSecret": "", "redis.url": "redis://redis:6379/0"},
        "redis.url has no password",
    ),
    "no Redis": (PRODUCTION, {"redis.auth.existingSecret": ""}, "has no address of Redis"),
    "a password in the address of Redis": (
        TRIAL,
        {"redis.url": "redis://user:secret@redis/0"},
        "redis.url holds credentials, which everybody who reads the release would see",
    ),
    "a password in the address of Milvus": (
        TRIAL,
        {"milvus.address": "milvus://root:Milvus@milvus:19530"},
        "milvus.address holds credentials",
    ),
    "Milvus in the clear": (PRODUCTION, {"milvus.address": "milvus://milvus:19530"}, "milvus.address is without TLS"),
    "Milvus without a token": (PRODUCTION, {"milvus.writer.existingSecret": ""}, "asked without a token"),
    "search without keys": (PRODUCTION, {"search.keys.existingSecret": ""}, "so everybody could search"),
    "replicas without a common key": (
        PRODUCTION,
        {"search.cursorKey.existingSecret": ""},
        "search may have 12 replicas, which can't continue each other's pages",
    ),
    "fewer replicas than the fewest": (
        PRODUCTION,
        {"search.autoscaling.maxReplicas": 2},
        "search.autoscaling.minReplicas is above maxReplicas",
    ),
    "a share of CPU of nothing": (
        PRODUCTION,
        {"search.resources": {"requests": {"cpu": None}}},
        "search.resources.requests.cpu is not set",
    ),
    "an Ingress in the clear": (
        PRODUCTION,
        {"search.ingress.tlsSecret": ""},
        "API keys would cross the network in the clear",
    ),
    "an Ingress for any host": (PRODUCTION, {"search.ingress.host": ""}, "search.ingress.host is empty"),
    "a test that may not search": (PRODUCTION, {"test.apiKey.existingSecret": ""}, "`helm test` could not search"),
    "no policies": (PRODUCTION, {"networkPolicy.enabled": False}, "so pods could talk to everybody"),
    "policies that shut everything": (PRODUCTION, {"networkPolicy.redis.to": []}, "networkPolicy.redis.to is empty"),
    "pictures without ranges": (
        PRODUCTION,
        {"networkPolicy.images.to": []},
        "pictures may be fetched, and networkPolicy.images.to is empty",
    ),
    "query pictures without ranges": (
        PRODUCTION,
        {"networkPolicy.images.to": [], "pictures.allowHosts": [], "pictures.searchHosts": ["a.example"]},
        "pictures may be fetched, and networkPolicy.images.to is empty",
    ),
    "a download without ranges": (REINDEX, {"networkPolicy.models.to": []}, "networkPolicy.models.to is empty"),
    "an image that changes by itself": (PRODUCTION, {"images.tag": "latest"}, "whatever is called latest"),
    "more ingesters than partitions": (
        PRODUCTION,
        {"generations.g1.ingester.replicas": 13},
        "replicas is 13 and the topic has 12 partitions",
    ),
    "a GPU without a queue": (
        GPU,
        {"generations.g1.ingester.replicas": 0},
        "asks for GPUs, and nothing fills its queue",
    ),
    "a batch for two workers": (
        TRIAL,
        {"settings.flow.start_deadline_s": 900},
        "is not below flow.visibility_timeout_s (900)",
    ),
    "a batch that is sent again too soon": (
        TRIAL,
        {"generations.g1.workers.cpu.settings": {"time_limit_s": 700}},
        "worker.time_limit_s 700, which is not below flow.start_deadline_s (600)",
    ),
    "autoscaling without KEDA": (
        PRODUCTION,
        {"keda.enabled": False},
        "autoscaling is enabled and keda.enabled is false",
    ),
    "busy workers that are taken away": (
        GPU,
        {"generations.g1.workers.gpu.autoscaling": {"cooldownSeconds": 300}},
        "cooldownSeconds is not above worker.time_limit_s",
    ),
    "no worker while seeding waits for one": (
        REINDEX,
        {"generations.g2.workers.cpu.autoscaling": {"enabled": True, "minReplicas": 0}},
        "set autoscaling.minReplicas to 1 until it is live",
    ),
    "fewer workers than the fewest": (
        PRODUCTION,
        {"generations.g1.workers.cpu.autoscaling": {"minReplicas": 9}},
        "autoscaling.minReplicas is above maxReplicas",
    ),
    "a rollout that can't begin": (TRIAL, {"search.strategy": {"maxSurge": 0}}, "nothing could ever be replaced"),
    "a worker that is killed too soon": (
        TRIAL,
        {"generations.g1.workers.cpu.terminationGracePeriodSeconds": 30},
        "is 30, and its own limits need 60 to end cleanly",
    ),
    "an ingester that is killed too soon": (
        TRIAL,
        {"generations.g1.ingester.terminationGracePeriodSeconds": 60},
        "is 60, and its own limits need 70 to end cleanly",
    ),
    "a service that is killed too soon": (
        TRIAL,
        {"search.terminationGracePeriodSeconds": 30},
        "search.terminationGracePeriodSeconds is 30, and its own limits need 60",
    ),
    "a variable behind the chart's back": (
        TRIAL,
        {"search.extraEnv": [{"name": "FOURTOWER_SERVICE_PORT", "value": "1"}]},
        "search.extraEnv sets FOURTOWER_SERVICE_PORT",
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.replace(" ", "-"))
def test_what_does_not_fit_is_refused_with_a_sentence(case, helm):
    files, changes, sentence = REFUSED[case]
    render(files, helm=helm)  # it is the change that is refused
    with pytest.raises(Refused) as refused:
        render(files, changes, helm=helm)
    assert sentence in str(refused.value)


ALLOWED_WHEN_SAID = {
    "search": {"search.keys.existingSecret": ""},
    "kafka": {"kafka.securityProtocol": "PLAINTEXT"},
    "redis": {"redis.auth.existingSecret": "", "redis.url": "redis://redis:6379/0"},
    "milvus": {"milvus.address": "milvus://milvus:19530", "milvus.writer.existingSecret": ""},
    "ingress": {"search.ingress.tlsSecret": ""},
    "network": {"networkPolicy.enabled": False},
}


@pytest.mark.parametrize("what", ALLOWED_WHEN_SAID)
def test_each_protection_is_given_up_only_by_its_own_word(what, helm):
    changes = ALLOWED_WHEN_SAID[what]
    others = {f"insecure.{other}": True for other in ALLOWED_WHEN_SAID if other != what}
    with pytest.raises(Refused):
        render(PRODUCTION, {**changes, **others}, helm=helm)
    render(PRODUCTION, {**changes, f"insecure.{what}": True}, helm=helm)


UNKNOWN = {
    "at the top": {"serch": {}},
    "within a section": {"search.replica": 3},
    "within a generation": {"generations.g1.ingester.replica": 3},
    "within a pool": {"generations.g1.workers.cpu.gpu": 1},
    "a setting": {"settings.flow.bach": 3},
    "a setting that the chart makes": {"settings.service.port": 80},
    "a generation without a number": {"generations.next": {"live": False}},
    "a number as a text": {"search.replicas": "3"},
    "a setting out of its bounds": {"settings.flow.batch": 257},
    "a hash that is none": {"images.search.digest": "sha256:abc"},
    "a range that is none": {"networkPolicy.kafka.to": [{"ipBlock": {"cidr": "kafka.example"}}]},
    "a peer that is everybody": {"networkPolicy.kafka.to": [{}]},
    "root": {"security.runAsUser": 0},
}


@pytest.mark.parametrize("case", UNKNOWN, ids=lambda case: case.replace(" ", "-"))
def test_the_schema_takes_nothing_that_it_does_not_know(case, helm):
    with pytest.raises(Refused, match="schema"):
        render(TRIAL, UNKNOWN[case], helm=helm)
