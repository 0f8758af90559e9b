// The live stream: parts of `kind, length, JSON, length, picture`; see alledge/page/live.py.

/** Yields {kind, told, picture} as they come, until the stream ends. */
export async function* parts(signal) {
  const answer = await fetch("/live/stream", { signal });
  if (answer.status === 401) location.assign("/enter");
  if (!answer.ok) throw new Error(`no live view: ${answer.status}`);
  const reader = answer.body.getReader();
  let rest = new Uint8Array(0);
  const text = new TextDecoder();

  async function take(n) {
    const chunks = [rest];
    let had = rest.length;
    while (had < n) {
      const { done, value } = await reader.read();
      if (done) return null;
      chunks.push(value);
      had += value.length;
    }
    const all = new Uint8Array(had);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    rest = all.slice(n);
    return all.subarray(0, n);
  }

  async function sized() {
    const head = await take(4);
    return head && take(new DataView(head.buffer, head.byteOffset, 4).getUint32(0));
  }

  for (;;) {
    const kind = await take(1);
    const told = kind && await sized();
    const picture = told && await sized();
    if (!picture) return;
    yield { kind: String.fromCharCode(kind[0]), told: JSON.parse(text.decode(told)), picture };
  }
}
