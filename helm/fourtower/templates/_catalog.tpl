{{/* Where a generation's catalog.toml comes from, and the options of commands that say how it is built. */}}

{{/* The volume: (dict "root" $ "generation" ... "map" the name of a ConfigMap for what is given inline). Nothing where none is declared. */}}
{{- define "fourtower.catalogVolume" -}}
{{- $catalog := .generation.catalog -}}
{{- $default := printf "%s-%s-catalog" (include "fourtower.fullname" .root) .generation.name -}}
{{- if $catalog.inline }}
- name: catalog
  configMap:
    name: {{ default $default .map }}
{{- else if $catalog.existingConfigMap }}
- name: catalog
  configMap:
    name: {{ $catalog.existingConfigMap }}
    items:
      - {key: {{ $catalog.key }}, path: catalog.toml}
{{- end }}
{{- end -}}

{{- define "fourtower.catalogMount" -}}
{{- if or .catalog.inline .catalog.existingConfigMap }}
- {name: catalog, mountPath: /etc/fourtower/catalog, readOnly: true}
{{- end }}
{{- end -}}

{{/* Options for `fourtower bootstrap` and `fourtower reindex start`: model, catalog, index. (dict "root" $ "generation" ...) */}}
{{- define "fourtower.planOptions" -}}
- --model={{ include "fourtower.modelPath" (dict "root" .root "name" .generation.model) }}
{{- if or .generation.catalog.inline .generation.catalog.existingConfigMap }}
- --catalog=/etc/fourtower/catalog/catalog.toml
{{- end }}
{{- with .generation.index }}
- {{ printf "--settings=%s" (toJson .) | quote }}
{{- end }}
{{- end -}}
