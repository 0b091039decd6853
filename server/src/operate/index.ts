/** What an operator does to a room by `weft room`, on either store. */
export { OperateError } from './errors.js'
export { addRoomCommands } from './room-commands.js'
