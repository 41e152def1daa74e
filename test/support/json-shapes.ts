/**
 * The document of each command's `--json`, as the compiler knows it: what `run` resolves to, every named type spelled
 * out to its last field. So a field that comes, goes or changes its type anywhere below is seen.
 */
import { resolve } from 'node:path';
import ts from 'typescript';
import { ERROR_CODES } from '../../src/errors.js';

export type JsonShape = string | { readonly [key: string]: JsonShape } | readonly JsonShape[];

/** Deeper than any document; a type that goes on is one that contains itself. */
const DEPTH_MAX = 16;

/** File of a command → shape of its document; `void` where it streams, or prints nothing. */
export function documentShapes(files: readonly string[]): Map<string, JsonShape> {
  const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, '.');
  const program = ts.createProgram([...files], { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  return new Map(files.map((file) => [file, shapeOfRun(file, program, checker)]));
}

function shapeOfRun(file: string, program: ts.Program, checker: ts.TypeChecker): JsonShape {
  const source = program.getSourceFile(resolve(file));
  const module = source && checker.getSymbolAtLocation(source);
  const command = module && checker.getExportsOfModule(module).find(({ name }) => name === 'default');
  if (command === undefined) throw new Error(`${file} exports no command`);
  const run = checker.getDeclaredTypeOfSymbol(command).getProperty('run');
  const [signature] = run === undefined ? [] : checker.getTypeOfSymbol(run).getCallSignatures();
  if (signature === undefined) throw new Error(`the command in ${file} has no run`);
  return shapeOf(checker.getAwaitedType(signature.getReturnType()) ?? signature.getReturnType(), checker, []);
}

function shapeOf(type: ts.Type, checker: ts.TypeChecker, within: readonly ts.Type[]): JsonShape {
  const name = checker.typeToString(type);
  if (within.includes(type) || within.length > DEPTH_MAX) return `… ${name}`;
  const inside = [...within, type];
  if (type.flags & ts.TypeFlags.BooleanLike) return name;
  if (type.isUnion()) return shapeOfUnion(type, checker, inside);
  const [element] =
    checker.isArrayType(type) || checker.isTupleType(type) ? checker.getTypeArguments(type as ts.TypeReference) : [];
  if (element !== undefined) return [shapeOf(element, checker, inside)];
  return type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection) ? shapeOfObject(type, checker, inside) : name;
}

function shapeOfUnion(type: ts.UnionType, checker: ts.TypeChecker, within: readonly ts.Type[]): JsonShape {
  const isBoolean = (member: ts.Type) => (member.flags & ts.TypeFlags.BooleanLiteral) !== 0;
  const booleans = type.types.filter(isBoolean);
  const others = type.types.filter((member) => !isBoolean(member)).map((member) => shapeOf(member, checker, within));
  const shapes = [
    ...others,
    ...(booleans.length === 2 ? ['boolean'] : booleans.map((member) => checker.typeToString(member))),
  ];
  const words = shortened(shapes.filter((shape): shape is string => typeof shape === 'string')).sort();
  const rest = shapes.filter((shape) => typeof shape !== 'string');
  const simple = words.length === 0 ? [] : [words.join(' | ')];
  return rest.length === 0 ? (simple[0] ?? 'never') : { 'one of': [...simple, ...rest] };
}

/** The registry of errors is recorded in docs/errors.md, and is to grow without a change of every document. */
function shortened(words: readonly string[]): string[] {
  const codes = Object.keys(ERROR_CODES).map((code) => `"${code}"`);
  const holdsAll = codes.every((code) => words.includes(code));
  return holdsAll ? ['error code', ...words.filter((word) => !codes.includes(word))] : [...words];
}

function shapeOfObject(type: ts.Type, checker: ts.TypeChecker, within: readonly ts.Type[]): JsonShape {
  const fields = checker.getPropertiesOfType(type).map((field): [string, JsonShape] => {
    const isOptional = (field.flags & ts.SymbolFlags.Optional) !== 0;
    return [`${field.name}${isOptional ? '?' : ''}`, shapeOf(checker.getTypeOfSymbol(field), checker, within)];
  });
  const indexed = checker.getIndexInfosOfType(type).map(({ keyType, type: value }): [string, JsonShape] => {
    return [`[${checker.typeToString(keyType)}]`, shapeOf(value, checker, within)];
  });
  return Object.fromEntries([...fields, ...indexed].sort(([a], [b]) => (a < b ? -1 : 1)));
}
