{{/* How long each process may take to end: its own budget, and what comes on top of it. */}}

{{/* Ingester: draining, then its threads (4 of 3 s), the last commit and leaving the group (10 s), and a margin. */}}
{{- define "fourtower.ingesterGrace" -}}
{{- $flow := include "fourtower.settingsOf" (dict "root" .root "kind" "flow" "generation" .generation) | fromJson -}}
{{- add (ceil $flow.drain_s | int) 40 -}}
{{- end -}}

{{/* Worker: finishing batches, then putting them back, stopping children and reports (5 s + 10 s), and a margin. */}}
{{- define "fourtower.workerGrace" -}}
{{- $worker := include "fourtower.settingsOf" (dict "root" .root "kind" "worker" "generation" .generation "pool" .pool) | fromJson -}}
{{- add (ceil $worker.soft_shutdown_s | int) 35 -}}
{{- end -}}

{{/* Search: leaving the Service, requests that run, then searches that run, each up to its budget, and a margin. */}}
{{- define "fourtower.searchGrace" -}}
{{- add (int .Values.search.drainSeconds) (mul 2 (ceil .Values.settings.service.grace_s | int)) 15 -}}
{{- end -}}
