{{- /* What the operator needs wherever it looks after resources: rules of a ClusterRole, or of a Role in each namespace. */ -}}
{{- define "aep-operator.rights" -}}
- apiGroups: [aep-operator.dev]
  resources: [customeriosources, aepdatasets, aepdataflows]
  # patch: finalizers
  verbs: [get, list, watch, patch]
- apiGroups: [aep-operator.dev]
  resources: [customeriosources/status, aepdatasets/status, aepdataflows/status]
  verbs: [patch]
# Credentials, in the namespaces of the resources that name them.
- apiGroups: [""]
  resources: [secrets]
  {{- if .Values.secrets.protect }}
  # patch: the finalizer aep-operator.dev/in-use, nothing else
  {{- end }}
  verbs: [get{{ if .Values.secrets.watch }}, list, watch{{ end }}{{ if .Values.secrets.protect }}, patch{{ end }}]
{{- if .Values.secrets.outputs }}
# spec.outputs of a dataflow. RBAC knows no owners: that only Secrets whose controller is the dataflow are written or
# deleted is the operator's doing.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
