{{- define "aep-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "aep-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "aep-operator.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.create is false: name the ServiceAccount to use in serviceAccount.name" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "aep-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "aep-operator.labels" -}}
{{ include "aep-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* The reference of an image; takes a list of the image's values and the root. */ -}}
{{- define "aep-operator.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default (index . 1).Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "aep-operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "aep-operator.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* What each value for itself allows and all together do not. */ -}}
{{- define "aep-operator.check" -}}
{{- $replicas := int .Values.replicas -}}
{{- if and .Values.emulator.enabled (gt $replicas 1) -}}
{{- fail (printf "emulator.enabled: each Pod would have a platform of its own, so there must be one; set replicas to 1 (it is %d)" $replicas) -}}
{{- end -}}
{{- if and (not .Values.leaderElection.enabled) (gt $replicas 1) -}}
{{- fail (printf "leaderElection.enabled is false: several replicas would all act; set replicas to 1 (it is %d) or switch the election on" $replicas) -}}
{{- end -}}
{{- $grace := add (int .Values.requestTimeoutSeconds) 15 -}}
{{- if lt (int64 .Values.terminationGracePeriodSeconds) $grace -}}
{{- fail (printf "terminationGracePeriodSeconds: a call under way (requestTimeoutSeconds: %d) and 15 s to write down what it did need %d seconds" (int .Values.requestTimeoutSeconds) $grace) -}}
{{- end -}}
{{- $lease := 0 -}}
{{- if and .Values.leaderElection.enabled (regexMatch "^[0-9]+s$" .Values.leaderElection.leaseDuration) -}}
{{- $lease = trimSuffix "s" .Values.leaderElection.leaseDuration | int -}}
{{- end -}}
{{- $settle := add (int .Values.requestTimeoutSeconds) $lease -}}
{{- $given := list (toJson .Values.extraArgs) (toJson .Values.extraEnv) (toJson .Values.envFrom) | join " " -}}
{{- if and (gt $settle 120) (not (regexMatch "--create-settle|AEP_OPERATOR_CREATE_SETTLE|Ref" $given)) -}}
{{- fail (printf "requestTimeoutSeconds: what a call may have made is waited for as long as that and leaderElection.leaseDuration together (%d s), which is more than the 120 s of --create-settle; add --create-settle=%ds to extraArgs" $settle $settle) -}}
{{- end -}}
{{- if and .Values.watchNamespaces (not .Values.ownerId) -}}
{{- fail "watchNamespaces: without rights in the whole cluster the operator cannot read the uid of kube-system, which marks what is its own in Adobe; set ownerId to a name that no other cluster uses and that never changes" -}}
{{- end -}}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret -}}
{{- fail "caBundle: name a ConfigMap or a Secret, not both" -}}
{{- end -}}
{{- end -}}

{{- /* The chart's labels with those of a user, who cannot change the chart's; takes a list of theirs and the root. */ -}}
{{- define "aep-operator.labelsWith" -}}
{{- toYaml (merge (include "aep-operator.labels" (index . 1) | fromYaml) (index . 0)) -}}
{{- end -}}
