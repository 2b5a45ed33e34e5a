/** From what a call came to, to an HTTP answer. */

/** An HTTP response, of the kind that a handler of `@azure/functions` returns. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** What a 200 carries. */
export interface Success {
  readonly contentType: string;
  readonly body: string;
}

export const json = (body: Readonly<Record<string, string | number>>): Success => ({
  contentType: "application/json",
  body: JSON.stringify(body),
});

export const toAnswer = ({ contentType, body }: Success): Answer => ({
  status: 200,
  headers: { "Content-Type": contentType },
  body,
});

/** Answers carry codes and keys: no cache on the way may keep one. */
export const withCommonHeaders = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
});
