import type { Socket } from "node:net";
import { ipKeyGenerator } from "express-rate-limit";

export type Connections = {
  /** To be told of each, before its handshake. */
  readonly opened: (socket: Socket) => void;
  /** Is not closed in favour of others until what this returns is called, for each answer that is under way. */
  readonly answering: (socket: Socket) => () => void;
};

type Connection = { readonly socket: Socket; readonly address: string; answers: number };

/**
 * At most so many at a time. For one more, one goes that asks nothing whole: of the address that has most of them the one
 * that has waited longest. So whoever opens thousands, says nothing, speaks slowly or does not read pushes out his own.
 */
export function boundConnections(limit: number): Connections {
  const open = new Map<string, Connection>();
  const waiting = new Map<string, Set<Connection>>(); // by address; of each the longest first
  const wait = (connection: Connection): void => {
    const its = waiting.get(connection.address) ?? new Set();
    waiting.set(connection.address, its.add(connection));
  };
  const waitNoMore = (connection: Connection): void => {
    const its = waiting.get(connection.address);
    its?.delete(connection);
    if (its?.size === 0) waiting.delete(connection.address);
  };
  const forget = (name: string, connection: Connection): void => {
    if (open.get(name) === connection) open.delete(name);
    waitNoMore(connection);
  };
  return {
    opened(socket) {
      const name = nameOf(socket);
      const connection = { socket, address: ipKeyGenerator(socket.remoteAddress ?? ""), answers: 0 };
      open.set(name, connection);
      wait(connection);
      socket.once("close", () => forget(name, connection));
      if (open.size > limit) {
        const [gone = connection] = mostOf(waiting);
        forget(nameOf(gone.socket), gone);
        gone.socket.destroy();
      }
    },
    answering(socket) {
      const name = nameOf(socket);
      const connection = open.get(name);
      if (connection === undefined) return () => undefined;
      connection.answers += 1;
      waitNoMore(connection);
      return () => {
        connection.answers -= 1;
        if (connection.answers === 0 && open.get(name) === connection) wait(connection);
      };
    },
  };
}

function mostOf(waiting: ReadonlyMap<string, ReadonlySet<Connection>>): ReadonlySet<Connection> {
  let most: ReadonlySet<Connection> = new Set();
  for (const its of waiting.values()) if (its.size > most.size) most = its;
  return most;
}

/** A request comes by the socket of TLS, which is another object than the one beneath it. */
const nameOf = ({ remoteAddress = "", remotePort = 0 }: Socket): string => `${remoteAddress} ${String(remotePort)}`;
