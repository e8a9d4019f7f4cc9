; GCBench, after the program of J. Ellis, P. Kovac and H. Boehm: short-lived trees of growing depth beside one that
; lives long and a large vector. Depths are smaller than in theirs, to suit an interpreter.

(define (tree-size depth) (- (expt 2 (+ depth 1)) 1))

(define (make-bottom-up depth)
  (if (<= depth 0)
      (cons '() '())
      (let ((left (make-bottom-up (- depth 1))))
        (cons left (make-bottom-up (- depth 1))))))

(define (populate depth node)
  (if (> depth 0)
      (begin (set-car! node (cons '() '()))
             (set-cdr! node (cons '() '()))
             (populate (- depth 1) (car node))
             (populate (- depth 1) (cdr node)))))

(define (make-top-down depth)
  (let ((node (cons '() '()))) (populate depth node) node))

(define (count node)
  (if (null? node) 0 (+ 1 (count (car node)) (count (cdr node)))))

(define stretch-depth 12)
(define long-lived-depth 11)
(define min-depth 4)
(define max-depth 10)

(define (iterations depth) (quotient (* 2 (tree-size max-depth)) (tree-size depth)))

(define (construct depth)
  (let loop ((i (iterations depth)) (nodes 0))
    (if (= i 0)
        (print depth ": " (iterations depth) " trees each way, " nodes " nodes")
        (let ((down (make-top-down depth))
              (up (make-bottom-up depth)))
          (loop (- i 1) (+ nodes (count down) (count up)))))))

(print "stretch: " (count (make-bottom-up stretch-depth)))
(define long-lived (make-top-down long-lived-depth))
(define numbers (make-vector 10000 0.0))
(let fill ((i 0))
  (if (< i 5000)
      (begin (vector-set! numbers i (/ 1.0 (+ i 1))) (fill (+ i 1)))))

(let loop ((depth min-depth))
  (if (<= depth max-depth)
      (begin (construct depth) (loop (+ depth 2)))))

(print "long lived: " (count long-lived) ", numbers: " (vector-ref numbers 1000))
