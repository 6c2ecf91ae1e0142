import type { Socket } from "node:net";

export type Connections = {
  /** To be told of each, before its handshake. */
  readonly opened: (socket: Socket) => void;
  /** Is not closed in favour of others until what this returns is called. */
  readonly answering: (socket: Socket) => () => void;
};

/**
 * At most so many at a time. For one more, that one goes which has waited longest and asks nothing whole: so whoever opens
 * thousands, says nothing, speaks slowly or does not read takes no place from who asks.
 */
export function boundConnections(limit: number): Connections {
  const open = new Set<Socket>();
  const waiting = new Map<string, Socket>(); // the longest first
  const forget = (socket: Socket, name: string): void => {
    open.delete(socket);
    if (waiting.get(name) === socket) waiting.delete(name);
  };
  return {
    opened(socket) {
      const name = nameOf(socket);
      open.add(socket);
      socket.once("close", () => forget(socket, name));
      if (open.size > limit) {
        const [oldest, gone] = waiting.entries().next().value ?? [name, socket];
        forget(gone, oldest);
        gone.destroy();
        if (gone === socket) return;
      }
      waiting.set(name, socket);
    },
    answering(socket) {
      const name = nameOf(socket);
      const kept = waiting.get(name);
      waiting.delete(name);
      return () => {
        if (kept !== undefined && open.has(kept)) waiting.set(name, kept);
      };
    },
  };
}

/** A request comes by the socket of TLS, which is another object than the one beneath it. */
const nameOf = ({ remoteAddress = "", remotePort = 0 }: Socket): string => `${remoteAddress} ${String(remotePort)}`;
