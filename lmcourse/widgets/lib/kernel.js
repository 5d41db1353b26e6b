// What a widget says to Python (`CourseWidget.answer`), and hears back. There is one kind of message,
// { id, question }, and one kind of reply, { id, answer } or { id, error }: questions and commands differ only in
// what waits.
import { uid } from "./elements.js";

/**
 * `ask` is for what a reader drags: one question is on its way at a time, and the newest waiting one replaces older
 * ones, so work never piles up. `tell` is for what a reader presses: each command is sent, three presses are three
 * steps. On a page without a kernel, `unanswered` is called at once for either.
 * @param {any} model
 * @param {{ answered?: (answer: any) => void, failed: (words: string) => void, unanswered?: (question: any) => void,
 *   obeyed?: (answer: any) => void, unheard?: () => void, patience?: number }} listeners
 *   `answered` is for `ask`, `obeyed` for `tell`; `failed` gets the error in words for either; `unheard` is called
 *   when a command had no reply after `patience` milliseconds.
 * @returns {{ ask(question: any): void, tell(command: any): void, hasKernel: boolean, stop(): void }}
 */
export function asker(model, listeners) {
  const { answered = () => {}, obeyed = () => {}, unheard = () => {}, unanswered = () => {}, failed } = listeners;
  const hasKernel = typeof model.send === "function";
  const me = uid(),
    commands = new Map(); // id → the timer that runs out
  let inFlight = null,
    waiting = null,
    count = 0;
  const send = (question) => {
    count += 1;
    const id = `${me}:${count}`;
    model.send({ id, question });
    return id;
  };
  const conclude = (message, succeeded) => {
    if ("error" in message) failed(message.error);
    else succeeded(message.answer);
  };
  const receive = (message) => {
    if (commands.has(message?.id)) {
      clearTimeout(commands.get(message.id));
      commands.delete(message.id);
      conclude(message, obeyed);
    } else if (inFlight !== null && message?.id === inFlight) {
      const next = waiting;
      waiting = null;
      inFlight = next === null ? null : send(next);
      if (next === null) conclude(message, answered); // one that was overtaken is not drawn
    }
  };
  if (hasKernel) model.on("msg:custom", receive);
  return {
    hasKernel,
    ask(question) {
      if (!hasKernel) unanswered(question);
      else if (inFlight === null) inFlight = send(question);
      else waiting = question;
    },
    tell(command) {
      if (!hasKernel) unanswered(command);
      else commands.set(send(command), setTimeout(unheard, listeners.patience ?? 4000));
    },
    stop() {
      for (const timer of commands.values()) clearTimeout(timer);
      if (hasKernel) model.off("msg:custom", receive);
    },
  };
}
