/* Compiled only: the bindings' types with those of React 18. That they work with it, server/src/testing-live/react.test.ts shows. */
import type { Client } from '@weft/client'
import { createRoomContext, WeftProvider } from '@weft/client/react'
import { Suspense, type ReactElement } from 'react'

const { RoomProvider, useOthers, useRoom, useSharedText, useSyncedRoom } = createRoomContext<{
  readonly name: string
}>()

const Title = (): ReactElement => {
  const room = useSyncedRoom()
  const [title] = useSharedText('title')
  const names = useOthers((others) => others.map(({ presence }) => presence.name))
  return (
    <h1>
      {room.name} {title} {names.join()}
    </h1>
  )
}

const Second = (): ReactElement | null => {
  const room = useRoom('second', { presence: { name: 'Ada' } })
  return room && <RoomProvider room={room}>{room.name}</RoomProvider>
}

export const App = ({ client }: { readonly client: Client }): ReactElement => (
  <WeftProvider client={client}>
    <Suspense fallback={null}>
      <RoomProvider name="first" presence={{ name: 'Ada' }} fallback={<p>Opening…</p>}>
        <Title />
      </RoomProvider>
    </Suspense>
    <Second />
  </WeftProvider>
)
