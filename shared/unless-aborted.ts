/** An `AbortSignal` of the platform or of the Azure SDK. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** What `pending` comes to, unless the signal aborts first: then rejects. */
export const unlessAborted = async <A>(pending: Promise<A>, signal: Signal | undefined): Promise<A> => {
  if (signal === undefined) {
    return pending;
  }
  let giveUp = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => {
      reject(new Error("aborted"));
    };
  });
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) {
    giveUp();
  }
  try {
    return await Promise.race([aborted, pending]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
};
