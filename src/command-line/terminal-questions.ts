/** Questions to the person at the terminal, on stderr: stdout is for data. What asks is loaded by the first question. */
import type { Questions } from '../operations/decide-conflict.js';

/** More choices than these are scrolled through. */
const CHOICES_SHOWN_MAX = 12;

/** @param signal ends a question that waits for its answer, as Ctrl-C does */
export function terminalQuestions(signal: AbortSignal): Questions {
  const prompts = () => import('@inquirer/prompts');
  const context = { output: process.stderr, signal };
  return {
    choose: async (message, choices) => {
      const named = choices.map(({ label }, i) => ({ name: label, value: i }));
      const { select } = await prompts();
      const index = await select({ message, choices: named, pageSize: CHOICES_SHOWN_MAX, loop: false }, context);
      return (choices[index] as (typeof choices)[number]).value;
    },
    type: async (message, refusal) =>
      (await prompts()).input({ message, validate: (text) => refusal(text) ?? true }, context),
    confirm: async (message) => (await prompts()).confirm({ message, default: false }, context),
  };
}
