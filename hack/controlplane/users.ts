import { randomBytes } from "node:crypto";

/** A person whom the API server knows by a token. `name` is the word for them here, `username` what the API server calls them. */
export interface User {
  readonly name: string;
  readonly username?: string;
  readonly groups: readonly string[];
}

/** Who is there in every control plane. Nobody but admin has rights until samples are applied. */
export const people: readonly User[] = [
  { name: "admin", groups: ["system:masters"] },
  { name: "alice", groups: ["devs"] },
  { name: "bob", groups: ["devs"] },
  { name: "sre", groups: ["sres"] },
  { name: "ivy", groups: [] },
  { name: "pat", groups: [] },
];

/** As whom kube-controller-manager acts, with the role that every API server has for it. */
export const manager: User = { name: "system:kube-controller-manager", groups: [] };

/** Fresh random tokens, one a user. */
export function newTokens(users: readonly User[]): ReadonlyMap<string, string> {
  return new Map(users.map((user) => [user.name, randomBytes(24).toString("base64url")]));
}

/** The file that kube-apiserver reads: token, user name, uid, groups. */
export function tokenFile(users: readonly User[], tokens: ReadonlyMap<string, string>): string {
  return users
    .map((user) =>
      [tokens.get(user.name) ?? "", user.username ?? user.name, `uid-${user.name}`, user.groups.join(",")]
        .map((field) => `"${field.replaceAll('"', '""')}"`)
        .join(","),
    )
    .map((line) => `${line}\n`)
    .join("");
}
