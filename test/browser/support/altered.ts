import { deflateSync, inflateSync } from "node:zlib";
import { z } from "zod";
import type { Ceremony } from "../../../src/api/v1alpha1/ceremony.ts";

// What somebody makes of what is asked, on its way from the plugin to the page.

/** Types do not hold them back. */
export function altered(ceremony: Ceremony, changed: object): Ceremony {
  return { ...ceremony, ...changed };
}

const asked = z.looseObject({
  request: z.looseObject({ spec: z.looseObject({}) }),
  options: z.looseObject({ challenge: z.string() }),
});

/** The address of a request, with another spec or other options in it. */
export function alteredAddress(
  address: string,
  changed: { readonly spec?: object; readonly options?: object },
): string {
  const { page, request, options, ...rest } = askedBy(address);
  const ceremony = {
    ...rest,
    request: { ...request, spec: { ...request.spec, ...changed.spec } },
    options: { ...options, ...changed.options },
  };
  return `${page}#${deflateSync(JSON.stringify(ceremony)).toString("base64url")}`;
}

/** What a browser is asked, by this address. */
export const optionsIn = (address: string): { readonly challenge: string } => askedBy(address).options;

function askedBy(address: string) {
  const [page = "", fragment = ""] = address.split("#");
  const json = inflateSync(Buffer.from(fragment, "base64url")).toString("utf8");
  return { ...asked.parse(JSON.parse(json)), page };
}
