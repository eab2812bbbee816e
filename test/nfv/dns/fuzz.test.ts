/** Octets that nobody sends in good faith: questions and answers of DNS end in a value or none, and answers are whole. */
import t from 'tap'
import { SimulatedEnv } from '../../../src/base/env/simulated-env.js'
import {
  readQuery,
  readResponse,
  relayed,
  sizeFor,
  writeAnswer,
  writeName,
  writeQuestion,
} from '../../../src/nfv/dns/message.js'

const rounds = 50_000

t.test('any octets', async t => {
  const env = new SimulatedEnv({ seed: 21 })
  const random = (below: number) => env.random.uint32() % below
  const query = () => {
    const name = writeName(['a', 'b.example', 'x'.repeat(63), 'www.example.com'][random(4)]!)
    const opt = [0, 0, 41, random(256), random(256), 0, random(2), random(256), 0, 0, random(6)]
    return Uint8Array.from([
      ...[random(256), random(256), random(3), 0, 0, 1, 0, random(2), 0, random(2), 0, 1],
      ...name,
      ...[0, random(40), 0, 1],
      ...(random(2) ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4] : []),
      ...opt,
    ])
  }
  let [questions, answers, wholes] = [0, 0, 0]
  for (let round = 0; round < rounds; round++) {
    const bytes = query()
    for (let turn = random(5); turn > 0; turn--) bytes[random(bytes.length)] = random(256)
    const given = random(4) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes
    const asked = readQuery(given)
    if (asked !== undefined && 'name' in asked) {
      questions++
      const answer = writeAnswer(asked, {
        rcode: 0,
        answers: [{ name: asked.name, type: 1, ttl: 1, data: env.random.bytes(4) }],
      })
      if (answer.length > sizeFor(asked)) t.fail(`${answer.length} octets are too many`)
      if (readResponse(answer)?.name === asked.name) wholes++
      if (readQuery(writeQuestion(7, asked)) === undefined)
        t.fail('a question that nobody can read')
    }
    const copy = new Uint8Array(given)
    if (copy.length > 2) copy[2] = copy[2]! | 0x80
    const response = readResponse(copy)
    if (response === undefined) continue
    answers++
    const plain = readQuery(
      writeQuestion(1, {
        ...{ id: 1, opcode: 0, wantsRecursion: true, checkingDisabled: false, name: response.name },
        ...{
          question: copy.subarray(12, 12 + writeName(response.name).length + 4),
          type: 1,
          class: 1,
        },
      }),
    )
    if (plain === undefined || !('name' in plain)) continue
    const passed = relayed(copy, response, plain, 5)
    if (readResponse(passed) === undefined) t.fail('an answer that nobody can read is passed on')
  }
  t.ok(questions > rounds / 20, `${questions} questions`)
  t.equal(wholes, questions, 'each answer is for its question')
  t.ok(answers > rounds / 20, `${answers} answers`)
})

t.test('names that lead to themselves, and are too long', t => {
  const head = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
  t.same(readQuery(Uint8Array.from([...head, 0xc0, 12, 0, 1, 0, 1])), { id: 1 }, 'by reference')
  const long = Array.from({ length: 6 }, () => [63, ...Array(63).fill(97)]).flat()
  t.same(readQuery(Uint8Array.from([...head, ...long, 0, 0, 1, 0, 1])), { id: 1 })
  t.same(
    readQuery(Uint8Array.from([...head, 3, 97, 46, 98, 0, 0, 1, 0, 1])),
    { id: 1 },
    'a dot in a label',
  )
  t.end()
})
