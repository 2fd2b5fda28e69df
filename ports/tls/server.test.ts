import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { type ConnectionOptions, connect, createServer, type TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openServerTls, type PeerCertificate, peerCertificate, type ServerTlsFiles } from "./server.ts";
import { filesOf, testAuthority } from "./testing.ts";

const nowMs = Date.now();
const authority = testAuthority(nowMs);
const stranger = testAuthority(nowMs, "Somebody else");
const server = authority.issue({ commonName: "doppel.example" });
const other = authority.issue({ commonName: "other.example" });

function namesOf(path: (name: string) => string, ca = false): ServerTlsFiles {
  return {
    certificate: { option: "CERT", path: path("server.crt") },
    key: { option: "KEY", path: path("server.key") },
    clientAuthorities: ca ? { option: "CA", path: path("ca.crt") } : null,
  };
}

const fitting = { "server.crt": server.cert, "server.key": server.key, "ca.crt": authority.cert };
const log = () => ({ info: vi.fn(), warn: vi.fn() });

/** A server on these files; `peers`: who came, by the certificate. */
async function serving(path: (name: string) => string, ca = false) {
  const said = log();
  const tls = openServerTls({ files: namesOf(path, ca), log: said });
  const peers: PeerCertificate[] = [];
  const opened = tls.serve((options) => createServer(options, (socket) => socket.on("error", () => {})), true);
  opened.on("secureConnection", (socket: TLSSocket) => {
    peers.push(peerCertificate(socket));
    socket.end("hello");
  });
  opened.listen(0, "127.0.0.1");
  await once(opened, "listening");
  onTestFinished(() => {
    tls.close();
    opened.close();
  });
  const { port } = opened.address() as AddressInfo;
  /** Gives the common name that the server shows, and a session to come back with. */
  const visit = async (options: ConnectionOptions = {}) => {
    const socket = connect({ host: "127.0.0.1", port, ca: authority.cert, ...options });
    let session: Buffer | undefined;
    socket.on("session", (ticket) => {
      session = ticket;
    });
    await once(socket, "secureConnect");
    const name = socket.getPeerCertificate()?.subject?.CN; // none where the connection is resumed
    const resumed = socket.isSessionReused();
    socket.resume();
    await once(socket, "close");
    return { name, session, resumed };
  };
  return { tls, said, peers, visit };
}

describe("a server's certificate", () => {
  test.each([
    [
      "a certificate that is not there",
      { ...fitting, "server.crt": null },
      /^CERT is ".*server\.crt", which is not there/,
    ],
    ["a key that is not there", { ...fitting, "server.key": null }, /^KEY is ".*server\.key", which is not there/],
    [
      "another pair's key",
      { ...fitting, "server.key": other.key },
      /^KEY is .*not the key of the first certificate in CERT/,
    ],
    ["no PEM", { ...fitting, "server.crt": "MIIB" }, /^CERT is .*which is not PEM/],
    ["a key instead of a certificate", { ...fitting, "server.crt": server.key }, /^CERT is .*holds no certificate/],
    ["a certificate instead of a key", { ...fitting, "server.key": server.cert }, /^KEY is .*holds no private key/],
    [
      "a broken certificate",
      { ...fitting, "server.crt": server.cert.replace(/\n.{9}/, "\nAAAAAAAAA") },
      /^CERT is .*cannot be read/,
    ],
    ["no authority", { ...fitting, "ca.crt": "" }, /^CA is .*which is not PEM/],
  ])("is refused at the start with %s, by the name of the option", (_what, texts, message) => {
    const files = namesOf(filesOf(texts), true);
    expect(() => openServerTls({ files, log: log() })).toThrow(
      expect.objectContaining({ code: "TLS_FILE_UNFIT", retry: "never", message: expect.stringMatching(message) }),
    );
  });

  test("is shown to who connects, and the new one when its files have changed", async () => {
    const path = filesOf(fitting);
    const { tls, said, visit } = await serving(path);
    expect((await visit()).name).toBe("doppel.example");
    writeFileSync(path("server.crt"), other.cert);
    writeFileSync(path("server.key"), other.key);
    tls.reload();
    expect((await visit()).name).toBe("other.example");
    tls.reload();
    expect(said.info).toHaveBeenCalledTimes(1);
  });

  test("stays while the changed files do not fit, which is told once", async () => {
    const path = filesOf(fitting);
    const { tls, said, visit } = await serving(path);
    writeFileSync(path("server.crt"), other.cert); // the key comes a moment later
    tls.reload();
    tls.reload();
    expect((await visit()).name).toBe("doppel.example");
    expect(said.warn).toHaveBeenCalledTimes(1);
    expect(JSON.stringify(said.warn.mock.calls)).not.toContain("PRIVATE");
    writeFileSync(path("server.key"), other.key);
    tls.reload();
    expect((await visit()).name).toBe("other.example");
  });
});

describe("a device's certificate", () => {
  const pump = authority.issue({ commonName: "pump-1", use: "client" });

  test("is known by its common name when its authority is trusted, also when the connection is resumed", async () => {
    const { visit, peers } = await serving(filesOf(fitting), true);
    const { session } = await visit(pump);
    const back = await visit({ ...pump, session });
    expect(back.resumed).toBe(true);
    expect(peers).toEqual([
      { kind: "verified", name: "pump-1" },
      { kind: "verified", name: "pump-1" },
    ]);
  });

  test.each([
    ["another authority's", stranger.issue({ commonName: "pump-1" })],
    ["one that has ended", authority.issue({ commonName: "pump-1", validUntilMs: nowMs - 1_000 })],
    ["a server's", authority.issue({ commonName: "pump-1", use: "server" })],
  ])("is not trusted if it is %s, nor when that connection is resumed", async (_what, theirs) => {
    const { visit, peers } = await serving(filesOf(fitting), true);
    const { session } = await visit(theirs);
    await visit({ ...theirs, session });
    expect(peers).toEqual([{ kind: "untrusted" }, { kind: "untrusted" }]);
  });

  test("need not be shown, and is not asked for without an authority", async () => {
    const asking = await serving(filesOf(fitting), true);
    const { session } = await asking.visit();
    await asking.visit({ session });
    expect(asking.peers).toEqual([{ kind: "none" }, { kind: "none" }]);
    const silent = await serving(filesOf(fitting));
    await silent.visit(pump);
    expect(silent.peers).toEqual([{ kind: "none" }]);
  });

  test("of an authority that was exchanged is not trusted any more, not even by resuming", async () => {
    const path = filesOf(fitting);
    const { tls, visit, peers } = await serving(path, true);
    const { session } = await visit(pump);
    writeFileSync(path("ca.crt"), stranger.cert);
    tls.reload();
    const back = await visit({ ...pump, session });
    expect(back.resumed).toBe(false);
    expect(peers).toEqual([{ kind: "verified", name: "pump-1" }, { kind: "untrusted" }]);
  });
});
