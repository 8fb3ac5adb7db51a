{{/* The alerts. Each has a runbook under its name; expressions look at this release's namespace and objects only. */}}

{{/* One alert: (dict "root" $ "name" "..." "for" "5m" "severity" "warning" "expr" "..." "summary" "..."). */}}
{{- define "fourtower.alert" -}}
- alert: {{ .name }}
  expr: {{ .expr | quote }}
  for: {{ .for }}
  labels:
    severity: {{ .severity }}
  annotations:
    summary: {{ .summary | quote }}
    runbook_url: {{ printf "%s#%s" .root.Values.monitoring.prometheusRule.runbookUrl (lower .name) | quote }}
{{ end -}}

{{- define "fourtower.alerts" -}}
{{- $rule := .Values.monitoring.prometheusRule -}}
{{- $fullname := include "fourtower.fullname" . -}}
{{- $here := printf "namespace=%q" .Release.Namespace -}}
{{- $ingester := printf "%s,service=~\"%s-g[0-9]+-ingester\"" $here $fullname -}}
{{- $worker := printf "%s,service=~\"%s-g[0-9]+-worker-.*\"" $here $fullname -}}
{{- $runs := printf "%s,job_name=~\"%s-reconcile-.*\"" $here $fullname -}}
{{- $cron := printf "%s,cronjob=\"%s-reconcile\"" $here $fullname -}}
{{- $search := printf "%s,service=\"%s-search-metrics\"" $here $fullname -}}
{{- include "fourtower.alert" (dict "root" . "name" "FourtowerIngestStopped" "severity" "critical" "for" "10m"
  "expr" (printf "absent(fourtower_ingest_lag_records{%s})" $ingester)
  "summary" "No ingester reports anything: catalog changes are not read.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerIngestLagging" "severity" "warning" "for" "10m"
  "expr" (printf "max by (service) (fourtower_ingest_oldest_age_seconds{%s}) > %d" $ingester (int $rule.lagAgeSeconds))
  "summary" "The oldest catalog change that is not done is {{ $value | humanizeDuration }} old.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerIngestBacklog" "severity" "warning" "for" "30m"
  "expr" (printf "sum by (service) (fourtower_ingest_lag_records{%s}) > 0 and sum by (service) (increase(fourtower_ingest_records_total{%s}[30m])) == 0" $ingester $ingester)
  "summary" "Catalog changes wait, and none was read for half an hour.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerSearchableLate" "severity" "warning" "for" "15m"
  "expr" (printf "histogram_quantile(0.95, sum by (service, le) (rate(fourtower_event_to_searchable_seconds_bucket{%s}[15m]))) > %d" $ingester (int $rule.searchableSeconds))
  "summary" "One change in twenty takes more than {{ $value | humanizeDuration }} to be searchable.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerIngestBreakerOpen" "severity" "critical" "for" "5m"
  "expr" (printf "max by (service) (fourtower_ingest_breaker{state=\"open\",%s}) == 1" $ingester)
  "summary" "Indexing has stopped: Milvus or the workers are ill, and the ingester waits for them.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerDeadLetters" "severity" "warning" "for" "0m"
  "expr" (printf "sum by (service, code) (increase(fourtower_ingest_dead_letters_total{%s}[1h])) > %d" $ingester (int $rule.deadLettersPerHour))
  "summary" "{{ $value | humanize }} catalog changes of the last hour could not be indexed ({{ $labels.code }}).") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerPartitionUnreadable" "severity" "critical" "for" "5m"
  "expr" (printf "max by (service, pod) (fourtower_ingest_partitions_unreadable{%s}) > 0" $ingester)
  "summary" "A partition can't be read and stands still.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerGroupUnstable" "severity" "warning" "for" "10m"
  "expr" (printf "min by (service, pod) (fourtower_ingest_group_stable{%s}) == 0" $ingester)
  "summary" "An ingester has no settled place in its consumer group.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerRedisDown" "severity" "critical" "for" "5m"
  "expr" (printf "min by (service) (fourtower_ingest_redis_up{%s}) == 0" $ingester)
  "summary" "Redis does not answer: nothing is indexed.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerWorkersLost" "severity" "warning" "for" "5m"
  "expr" (printf "sum by (service) (increase(fourtower_ingest_losses_total{%s}[15m])) > 5" $ingester)
  "summary" "Workers are lost over batches again and again.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerWorkerRespawning" "severity" "warning" "for" "5m"
  "expr" (printf "sum by (service, pod) (increase(fourtower_worker_child_respawns_total{%s}[15m])) > 3" $worker)
  "summary" "A worker's children die and are started again.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerSearchDown" "severity" "critical" "for" "5m"
  "expr" (printf "absent(up{%s} == 1)" $search)
  "summary" "No search pod answers.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerSearchFailing" "severity" "critical" "for" "5m"
  "expr" (printf "sum(rate(fourtower_service_requests_total{status=~\"5..\",%s}[5m])) / sum(rate(fourtower_service_requests_total{%s}[5m])) > %v" $search $search $rule.searchErrorRatio)
  "summary" "{{ $value | humanizePercentage }} of the answers are errors of the service.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerSearchSlow" "severity" "warning" "for" "10m"
  "expr" (printf "histogram_quantile(0.95, sum by (le) (rate(fourtower_service_request_seconds_bucket{route=~\".*/search.*\",%s}[5m]))) > %v" $search $rule.searchSeconds)
  "summary" "One search in twenty takes more than {{ $value | humanizeDuration }}.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerSearchOverloaded" "severity" "warning" "for" "10m"
  "expr" (printf "sum(rate(fourtower_service_turned_away_total{%s}[5m])) > 0" $search)
  "summary" "Searches are turned away: there are not enough replicas.") }}
{{- if .Values.reconciler.enabled }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerIndexDiverges" "severity" "warning" "for" "0m"
  "expr" (printf "max(kube_job_status_start_time{%s} and on (job_name) kube_job_status_failed{%s} > 0) > (max(kube_cronjob_status_last_successful_time{%s}) or vector(0))" $runs $runs $cron)
  "summary" "The reconciler found what it did not mend, or failed; its log says which.") }}
{{ include "fourtower.alert" (dict "root" . "name" "FourtowerReconcileMissed" "severity" "warning" "for" "1h"
  "expr" (printf "time() - max(kube_cronjob_status_last_successful_time{%s}) > 259200" $cron)
  "summary" "The index was not compared with the log for three days.") }}
{{- end }}
{{- end -}}
