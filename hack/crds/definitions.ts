import { dump } from "js-yaml";
import { group, version } from "../../src/api/v1alpha1/meta.ts";
import { type Kind, kinds } from "./kinds.ts";
import { type Structural, structuralSchema } from "./structural.ts";

export const command = "node hack/crds/generate.ts";

/** The files of crds/ by name: one CustomResourceDefinition a kind, and the kustomization that lists them. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const note = `# Made by ${command} from src/api/v1alpha1; edit that.\n`;
  const files = kinds.map((kind) => [`${kind.plural}.yaml`, note + yaml(definition(kind))] as const);
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: files.map(([file]) => file),
  };
  return new Map([...files, ["kustomization.yaml", note + yaml(kustomization)]]);
}

/** All that the API server would default is spelled out: what it stores is then what is shipped. */
function definition({ kind, plural, scope, shortNames, schema, selectable, columns }: Kind): Structural {
  const names = { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), categories: ["kube-elevate"] };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, labels: { "app.kubernetes.io/part-of": "kube-elevate" } },
    spec: {
      group,
      scope,
      names: shortNames.length > 0 ? { ...names, shortNames } : names,
      conversion: { strategy: "None" },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          ...(selectable.length > 0 ? { selectableFields: selectable.map((jsonPath) => ({ jsonPath })) } : {}),
          additionalPrinterColumns: columns.map(([name, jsonPath, type = "string", wide]) =>
            wide === undefined ? { name, type, jsonPath } : { name, type, jsonPath, priority: 1 },
          ),
          schema: { openAPIV3Schema: structuralSchema(schema) },
        },
      ],
    },
  };
}

const yaml = (value: object): string => dump(value, { lineWidth: -1, noRefs: true });
