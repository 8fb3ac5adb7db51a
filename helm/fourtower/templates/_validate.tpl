{{/* What values must fulfil beyond their schema. Each failure is one sentence that says what to change. */}}

{{- define "fourtower.validate" -}}
{{- include "fourtower.validateGenerations" . -}}
{{- include "fourtower.validateServers" . -}}
{{- include "fourtower.validateSearch" . -}}
{{- include "fourtower.validateNetwork" . -}}
{{- include "fourtower.validateImages" . -}}
{{- range $key, $generation := include "fourtower.generations" . | fromJson -}}
{{- include "fourtower.validateIngester" (dict "root" $ "generation" $generation) -}}
{{- range $generation.workers -}}
{{- include "fourtower.validatePool" (dict "root" $ "generation" $generation "pool" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateGenerations" -}}
{{- $live := list -}}
{{- $groups := dict -}}
{{- $letters := 0 -}}
{{- range $key, $generation := include "fourtower.generations" . | fromJson -}}
{{- if $generation.live -}}{{- $live = append $live $key -}}{{- end -}}
{{- if $generation.deadLetters -}}{{- $letters = add1 $letters -}}{{- end -}}
{{- if not (hasKey $.Values.models $generation.model) -}}
{{- fail (printf "generations.%s.model is %q, which models does not have; describe it there, for instance models.demo.source: shipped." $key $generation.model) -}}
{{- end -}}
{{- if hasKey $groups $generation.group -}}
{{- fail (printf "generations.%s and generations.%s share the consumer group %s, so each would miss what the other one reads; give them groups of their own." (get $groups $generation.group) $key $generation.group) -}}
{{- end -}}
{{- $_ := set $groups $generation.group $key -}}
{{- if and $generation.catalog.inline $generation.catalog.existingConfigMap -}}
{{- fail (printf "generations.%s.catalog has both inline and existingConfigMap; keep one of them." $key) -}}
{{- end -}}
{{- if and $generation.live (not $generation.workers) -}}
{{- fail (printf "generations.%s is live and has no workers, so nothing would be indexed; add a pool, such as workers.cpu.kind: cpu." $key) -}}
{{- end -}}
{{- end -}}
{{- if ne (len $live) 1 -}}
{{- fail (printf "Exactly one of generations must be live, and %s; set live: true in the one that the alias points to (`fourtower reindex status` says which)." (ternary "none is" (printf "%s are" (join ", " $live)) (empty $live))) -}}
{{- end -}}
{{- if not (index (include "fourtower.generations" . | fromJson) (first $live)).deadLetters -}}
{{- fail (printf "generations.%s is live and writes no dead letters, so what can't be indexed would be lost; leave its deadLetters out." (first $live)) -}}
{{- end -}}
{{- $current := index (include "fourtower.generations" . | fromJson) (first $live) -}}
{{- range $key, $generation := include "fourtower.generations" . | fromJson -}}
{{- $recorded := printf "%s.g%v" (regexReplaceAll "\\.g[0-9]+$" $current.group "") $generation.number -}}
{{- if and (gt (int $generation.number) (int $current.number)) (ne $generation.group $recorded) -}}
{{- fail (printf "generations.%s has the consumer group %s, and `fourtower reindex start` begins generation %v with %s; leave its group out, or change consumerGroup." $key $generation.group $generation.number $recorded) -}}
{{- end -}}
{{- end -}}
{{- range $key, $model := .Values.models -}}
{{- if $model -}}
{{- $needed := get (dict "shipped" list "image" (list "path") "volume" (list "existingClaim") "download" (list "url" "sha256")) $model.source -}}
{{- range $needed -}}
{{- if not (index $model .) -}}{{- fail (printf "models.%s comes from %q and needs %s." $key $model.source .) -}}{{- end -}}
{{- end -}}
{{- if and (eq $model.source "download") (hasPrefix "http://" $model.url) (not $.Values.insecure.models) -}}
{{- fail (printf "models.%s is fetched without TLS; use https://, or set insecure.models." $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateServers" -}}
{{- $kafka := .Values.kafka -}}
{{- if not $kafka.bootstrap -}}{{- fail "kafka.bootstrap is empty; name the brokers, such as kafka-bootstrap.kafka.svc:9093." -}}{{- end -}}
{{- if not .Values.milvus.address -}}{{- fail "milvus.address is empty; name the server, such as milvuss://milvus.milvus.svc:19530." -}}{{- end -}}
{{- if not .Values.insecure.kafka -}}
{{- if not (hasSuffix "SSL" $kafka.securityProtocol) -}}
{{- fail (printf "kafka.securityProtocol is %s, which anybody on the way can read; use SASL_SSL or SSL, or set insecure.kafka." $kafka.securityProtocol) -}}
{{- end -}}
{{- if and (eq $kafka.securityProtocol "SSL") (not (and $kafka.tls.existingSecret $kafka.tls.certificateKey)) -}}
{{- fail "kafka.securityProtocol is SSL without a certificate of our own, so the brokers can't tell who we are; name kafka.tls.existingSecret and certificateKey, use SASL_SSL, or set insecure.kafka." -}}
{{- end -}}
{{- end -}}
{{- if hasPrefix "SASL_" $kafka.securityProtocol -}}
{{- range $role, $own := $kafka.roles -}}
{{- if not (or $own.existingSecret $kafka.auth.existingSecret) -}}
{{- fail (printf "kafka.securityProtocol is %s, and the role %s has no user; name a Secret in kafka.auth.existingSecret or kafka.roles.%s.existingSecret." $kafka.securityProtocol $role $role) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $redis := .Values.redis -}}
{{- range $role, $own := $redis.roles -}}
{{- if not (or $own.existingSecret $redis.auth.existingSecret $redis.url) -}}
{{- fail (printf "The role %s has no address of Redis; name a Secret with the whole address (rediss://user:password@host:port/db) in redis.auth.existingSecret." $role) -}}
{{- end -}}
{{- if and (not (or $own.existingSecret $redis.auth.existingSecret)) (not $.Values.insecure.redis) -}}
{{- fail "redis.url has no password, and whoever writes to Redis gives workers their work; put the whole address into a Secret (redis.auth.existingSecret), or set insecure.redis." -}}
{{- end -}}
{{- end -}}
{{- if contains "@" $redis.url -}}
{{- fail "redis.url holds credentials, which everybody who reads the release would see; put the whole address into a Secret (redis.auth.existingSecret)." -}}
{{- end -}}
{{- if contains "@" .Values.milvus.address -}}
{{- fail "milvus.address holds credentials, which everybody who reads the release would see; put the token into a Secret (milvus.writer.existingSecret)." -}}
{{- end -}}
{{- if not .Values.insecure.milvus -}}
{{- if not (hasPrefix "milvuss://" .Values.milvus.address) -}}
{{- fail "milvus.address is without TLS; write milvuss://host:port, or set insecure.milvus." -}}
{{- end -}}
{{- if not .Values.milvus.writer.existingSecret -}}
{{- fail "milvus.writer.existingSecret is empty, so Milvus would be asked without a token; name a Secret, or set insecure.milvus." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateSearch" -}}
{{- $search := .Values.search -}}
{{- if and (not $search.keys.existingSecret) (not .Values.insecure.search) -}}
{{- fail "search.keys.existingSecret is empty, so everybody could search; make a file with `fourtower keys create`, put it into a Secret and name that, or set insecure.search." -}}
{{- end -}}
{{- $most := ternary $search.autoscaling.maxReplicas $search.replicas $search.autoscaling.enabled | int -}}
{{- if and (gt $most 1) (not $search.cursorKey.existingSecret) -}}
{{- fail (printf "search may have %d replicas, which can't continue each other's pages without a key that they share; name a Secret in search.cursorKey.existingSecret." $most) -}}
{{- end -}}
{{- if and $search.autoscaling.enabled (gt (int $search.autoscaling.minReplicas) (int $search.autoscaling.maxReplicas)) -}}
{{- fail "search.autoscaling.minReplicas is above maxReplicas." -}}
{{- end -}}
{{- if and $search.autoscaling.enabled (not (dig "requests" "cpu" "" $search.resources)) -}}
{{- fail "search.autoscaling looks at the share of requested CPU, and search.resources.requests.cpu is not set." -}}
{{- end -}}
{{- include "fourtower.validateStrategy" (dict "of" "search" "strategy" $search.strategy) -}}
{{- include "fourtower.validateGrace" (dict "of" "search" "given" $search.terminationGracePeriodSeconds "needed" (include "fourtower.searchGrace" .)) -}}
{{- include "fourtower.validateEnv" (dict "of" "search" "own" $search) -}}
{{- if $search.ingress.enabled -}}
{{- if not $search.ingress.host -}}{{- fail "search.ingress.host is empty; name the host that the Ingress answers for." -}}{{- end -}}
{{- if and (not $search.ingress.tlsSecret) (not .Values.insecure.ingress) -}}
{{- fail "search.ingress has no certificate, so API keys would cross the network in the clear; name search.ingress.tlsSecret, or set insecure.ingress." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.test.enabled (not .Values.test.apiKey.existingSecret) (not .Values.insecure.search) -}}
{{- fail "test.apiKey.existingSecret is empty, so `helm test` could not search; name a Secret with an API key, or set test.enabled: false." -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateNetwork" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and (not $policy.enabled) (not .Values.insecure.network) -}}
{{- fail "networkPolicy.enabled is false, so pods could talk to everybody; leave it on, or set insecure.network." -}}
{{- end -}}
{{- if $policy.enabled -}}
{{- range list "kafka" "redis" "milvus" -}}
{{- if not (index $policy .).to -}}
{{- fail (printf "networkPolicy.%s.to is empty, so nothing could reach it; name its address ranges or pods, such as {ipBlock: {cidr: 10.0.0.0/24}}." .) -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.pictures.allowHosts .Values.pictures.searchHosts) (not $policy.images.to) -}}
{{- fail "pictures may be fetched, and networkPolicy.images.to is empty; name address ranges, such as {ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16]}}, since policies can't match host names." -}}
{{- end -}}
{{- if and (include "fourtower.downloads" (dict "root" . "models" (include "fourtower.modelsInUse" . | fromJsonArray))) (not $policy.models.to) -}}
{{- fail "a model is downloaded, and networkPolicy.models.to is empty; name the address ranges that it comes from." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateImages" -}}
{{- range list "search" "ingester" "workerCpu" "workerGpu" -}}
{{- $own := index $.Values.images . -}}
{{- $tag := default (default $.Chart.AppVersion $.Values.images.tag) $own.tag -}}
{{- if and (eq $tag "latest") (not $own.digest) -}}
{{- fail (printf "images.%s would be whatever is called latest at the moment; name a tag or a digest." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateIngester" -}}
{{- $key := .generation.name -}}
{{- $own := .generation.ingester -}}
{{- $partitions := int .root.Values.settings.topic.partitions -}}
{{- if gt (int $own.replicas) $partitions -}}
{{- fail (printf "generations.%s.ingester.replicas is %d and the topic has %d partitions (settings.topic.partitions), so some would have nothing to read." $key (int $own.replicas) $partitions) -}}
{{- end -}}
{{- $flow := include "fourtower.settingsOf" (dict "root" .root "kind" "flow" "generation" .generation) | fromJson -}}
{{- if ge (float64 $flow.start_deadline_s) (float64 $flow.visibility_timeout_s) -}}
{{- fail (printf "In generations.%s flow.start_deadline_s (%v) is not below flow.visibility_timeout_s (%v), so a batch could be handed to two workers." $key $flow.start_deadline_s $flow.visibility_timeout_s) -}}
{{- end -}}
{{- include "fourtower.validateGrace" (dict "of" (printf "generations.%s.ingester" $key) "given" $own.terminationGracePeriodSeconds "needed" (include "fourtower.ingesterGrace" .)) -}}
{{- include "fourtower.validateEnv" (dict "of" (printf "generations.%s.ingester" $key) "own" $own) -}}
{{- end -}}

{{- define "fourtower.validatePool" -}}
{{- $of := printf "generations.%s.workers.%s" .generation.name .pool.name -}}
{{- $scale := .pool.autoscaling -}}
{{- if and (eq .pool.kind "gpu") (eq (int .generation.ingester.replicas) 0) -}}
{{- fail (printf "%s asks for GPUs, and nothing fills its queue: generations.%s.ingester.replicas is 0." $of .generation.name) -}}
{{- end -}}
{{- $flow := include "fourtower.settingsOf" (dict "root" .root "kind" "flow" "generation" .generation) | fromJson -}}
{{- $worker := include "fourtower.settingsOf" (dict "root" .root "kind" "worker" "generation" .generation "pool" .pool) | fromJson -}}
{{- if ge (float64 $worker.time_limit_s) (float64 $flow.start_deadline_s) -}}
{{- fail (printf "%s has worker.time_limit_s %v, which is not below flow.start_deadline_s (%v): a batch would be sent again while a worker is still at it." $of $worker.time_limit_s $flow.start_deadline_s) -}}
{{- end -}}
{{- if $scale.enabled -}}
{{- if not .root.Values.keda.enabled -}}
{{- fail (printf "%s.autoscaling is enabled and keda.enabled is false; install KEDA and set it, or set replicas." $of) -}}
{{- end -}}
{{- if gt (int $scale.minReplicas) (int $scale.maxReplicas) -}}
{{- fail (printf "%s.autoscaling.minReplicas is above maxReplicas." $of) -}}
{{- end -}}
{{- if le (float64 $scale.cooldownSeconds) (float64 $worker.time_limit_s) -}}
{{- fail (printf "%s.autoscaling.cooldownSeconds is not above worker.time_limit_s (%v), so busy workers could be taken away." $of $worker.time_limit_s) -}}
{{- end -}}
{{- if and (not .generation.live) .generation.seed.enabled (eq (int $scale.minReplicas) 0) -}}
{{- fail (printf "%s may go down to no worker while generation %s is filled, which waits for workers without any lag; set autoscaling.minReplicas to 1 until it is live." $of .generation.name) -}}
{{- end -}}
{{- end -}}
{{- include "fourtower.validateStrategy" (dict "of" $of "strategy" .pool.strategy) -}}
{{- include "fourtower.validateGrace" (dict "of" $of "given" .pool.terminationGracePeriodSeconds "needed" (include "fourtower.workerGrace" .)) -}}
{{- include "fourtower.validateEnv" (dict "of" $of "own" .pool) -}}
{{- end -}}

{{- define "fourtower.validateStrategy" -}}
{{- if and (eq (toString .strategy.maxSurge) "0") (eq (toString .strategy.maxUnavailable) "0") -}}
{{- fail (printf "%s.strategy allows neither a pod more nor a pod less, so nothing could ever be replaced." .of) -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateGrace" -}}
{{- if and .given (lt (int .given) (int .needed)) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d, and its own limits need %s to end cleanly; leave it out, or lower those limits." .of (int .given) .needed) -}}
{{- end -}}
{{- end -}}

{{- define "fourtower.validateEnv" -}}
{{- $of := .of -}}
{{- range .own.extraEnv -}}
{{- if hasPrefix "FOURTOWER_" .name -}}
{{- fail (printf "%s.extraEnv sets %s, which would contradict the chart's own; set it under settings, by its name without the prefix." $of .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
