/** From the result of a call to an HTTP answer. */

/** An HTTP response, of the kind that a handler of `@azure/functions` returns. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

export interface Content {
  readonly contentType: string;
  readonly body: string;
}

/** A 200 with this content, or a 204 without any. */
export type Success = Content | typeof noContent;

export const noContent = "no-content";

type Json = string | number | readonly Json[] | { readonly [name: string]: Json };

export const json = (body: Readonly<Record<string, Json>>): Content => ({
  contentType: "application/json",
  body: JSON.stringify(body),
});

export const toAnswer = (success: Success): Answer =>
  success === noContent
    ? // RFC 9110, section 15.3.5: the answer ends with its headers.
      { status: 204, headers: {} }
    : { status: 200, headers: { "Content-Type": success.contentType }, body: success.body };

/** Answers carry codes and keys, which no cache may keep. */
export const withCommonHeaders = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
});
